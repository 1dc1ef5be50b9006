public import TensorCore

extension CPUBackend: LanedBackend {
    /// A profile would miss what lanes compute.
    public var laneCount: Int { isProfiling ? 1 : threadCount }

    public func makeLanes() throws -> [any Backend] {
        try (0..<threadCount).map { _ in try CPUBackend(laneOf: self) }
    }
}
