/// The extents of a tensor, outermost first.
public struct Shape: Sendable, Hashable, ExpressibleByArrayLiteral, CustomStringConvertible {
    public let extents: [Int]

    /// - Precondition: no extent is negative and their product fits an `Int`. Sizes read from a file must be checked with
    ///   `init(checking:)` instead.
    public init(_ extents: [Int]) {
        guard let shape = Shape(checking: extents) else { preconditionFailure("shape \(extents) is not representable") }
        self = shape
    }

    public init(arrayLiteral elements: Int...) { self.init(elements) }

    /// A shape from untrusted numbers: `nil` where an extent is negative or the element count overflows.
    public init?(checking extents: [Int]) {
        var count = 1
        for extent in extents {
            guard extent >= 0 else { return nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard !overflow else { return nil }
            count = product
        }
        self.extents = extents
        self.elementCount = count
    }

    /// The product of the extents; 1 for a scalar.
    public let elementCount: Int

    public var rank: Int { extents.count }

    public subscript(axis: Int) -> Int { extents[axis] }

    public var description: String { "[" + extents.map(String.init).joined(separator: ", ") + "]" }
}
