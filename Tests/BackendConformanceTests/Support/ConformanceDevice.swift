import Foundation
import OpCases
import Synchronization
import TensorCore
import TestSupport
import Testing

/// One backend under test. Made on first use; used by one test at a time, as `Backend` asks.
final class ConformanceDevice: Sendable, CustomTestStringConvertible {
    let name: String
    private let readsWholeTexts: Bool
    private let make: @Sendable () throws -> any Backend
    private let backend = Mutex<(any Backend)?>(nil)

    init(_ name: String, readsWholeTexts: Bool = false, make: @escaping @Sendable () throws -> any Backend) {
        self.name = name
        self.readsWholeTexts = readsWholeTexts
        self.make = make
    }

    var testDescription: String { name }

    /// A backend of its own that nothing was reserved on.
    func makeFresh() throws -> any Backend { try make() }

    func use(_ body: (any Backend) throws -> Void) throws {
        try backend.withLock { shared in
            let backend = try shared ?? makeReserved()
            shared = backend
            try body(backend)
        }
    }

    private func makeReserved() throws -> any Backend {
        let backend = try make()
        var limits = ConformanceDevice.limits
        limits.readsWholeTexts = readsWholeTexts
        try backend.reserve(limits)
        return backend
    }

    /// Over everything that the cases ask for.
    static let limits = ExecutionLimits(
        tokenCount: 1024, sequenceCount: 64, contextLength: 2304, featureCount: 262_144, matmulInputCount: 4096,
        headCount: 32, headSize: 256, expertFeatureCount: 2304, expertsPerToken: 8)
}

enum ConformanceSizes {
    /// `INFER_CONFORMANCE_SMALL=1` leaves out what takes minutes under a checker such as oclgrind or valgrind.
    static let isSmall = ProcessInfo.processInfo.environment["INFER_CONFORMANCE_SMALL"] == "1"
}

/// A case whose name goes into failures and seeds its random numbers.
protocol ConformanceCase: Sendable, CustomTestStringConvertible {
    var name: String { get }
    /// About how much work it is (multiply-adds, or elements touched), to leave large cases out of a small run.
    var cost: Int { get }
    /// Whether a device of these capabilities computes it; another one must refuse it.
    func isSupported(by capabilities: BackendCapabilities) -> Bool
}

extension ConformanceCase {
    var testDescription: String { name }
    var random: SplitMix64 { SplitMix64(name: name) }
    func isSupported(by capabilities: BackendCapabilities) -> Bool { true }
}

extension MatmulCase: ConformanceCase {}
extension AttentionCase: ConformanceCase {}
extension EncoderAttentionCase: ConformanceCase {}

extension Array where Element: ConformanceCase {
    /// The cases that this run takes; of a small run's, at most 24 spread over the list.
    var selected: [Element] {
        guard ConformanceSizes.isSmall else { return self }
        let cheap = filter { $0.cost <= 12_000 }
        let step = Swift.max(1, (cheap.count + 23) / 24)
        return stride(from: 0, to: cheap.count, by: step).map { cheap[$0] }
    }
}
