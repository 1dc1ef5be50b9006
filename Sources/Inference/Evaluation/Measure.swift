/// A number that says how well a task is done, and how far it would move with other examples of the same kind.
public struct Measure: Sendable, Hashable {
    public var name: String
    public var value: Double
    /// The middle 95 % of the values of samples drawn again; `nil` where none were drawn.
    public var interval: ClosedRange<Double>?

    public init(_ name: String, _ value: Double, interval: ClosedRange<Double>? = nil) {
        self.name = name
        self.value = value
        self.interval = interval
    }
}
