/// A measure of how well a task is done, with its uncertainty over other examples of the same kind.
public struct Measure: Sendable, Hashable {
    /// As outputs name it, such as `accuracy`.
    public var name: String
    /// The measure over all examples.
    public var value: Double
    /// The bootstrap interval of 95 %; `nil` where none was computed.
    public var interval: ClosedRange<Double>?

    public init(_ name: String, _ value: Double, interval: ClosedRange<Double>? = nil) {
        self.name = name
        self.value = value
        self.interval = interval
    }
}
