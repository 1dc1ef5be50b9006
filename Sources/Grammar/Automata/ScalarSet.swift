/// A set of Unicode scalar values, as sorted ranges that do not touch. Surrogates are never members.
package struct ScalarSet: Hashable, Sendable {
    package private(set) var ranges: [ClosedRange<UInt32>]

    package init(_ ranges: [ClosedRange<UInt32>] = []) {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound || range.lowerBound == last.upperBound + 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged.flatMap(ScalarSet.withoutSurrogates)
    }

    package init(_ scalar: UInt32) { self.init([scalar...scalar]) }
    package init(_ range: ClosedRange<UInt32>) { self.init([range]) }

    package static let any = ScalarSet(0...0x10FFFF)

    private static func withoutSurrogates(_ range: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
        guard range.overlaps(0xD800...0xDFFF) else { return [range] }
        var parts: [ClosedRange<UInt32>] = []
        if range.lowerBound < 0xD800 { parts.append(range.lowerBound...0xD7FF) }
        if range.upperBound > 0xDFFF { parts.append(0xE000...range.upperBound) }
        return parts
    }

    package var isEmpty: Bool { ranges.isEmpty }

    package func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } }

    package func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

    package var inverted: ScalarSet {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return ScalarSet(result)
    }

    package func subtracting(_ other: ScalarSet) -> ScalarSet { inverted.union(other).inverted }

    /// The members that lie in `bounds`.
    package func clipped(to bounds: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
        ranges.compactMap { $0.overlaps(bounds) ? $0.clamped(to: bounds) : nil }
    }
}
