internal import CPUKernels
internal import TensorCore

extension CPUBackend {
    /// Vector instructions that kernels are built for.
    public enum InstructionSet: String, Sendable, Hashable, CaseIterable {
        /// What the compiler assumes of every processor of the architecture.
        case generic
        case neon
        case avx2
        case avx512

        /// Whether this machine runs it.
        public var isSupported: Bool { cpuk_supports(kernelValue) }
        /// The widest one this machine runs.
        public static var best: InstructionSet { InstructionSet(cpuk_best_isa()) }

        var kernelValue: cpuk_isa {
            switch self {
            case .generic: CPUK_GENERIC
            case .neon: CPUK_NEON
            case .avx2: CPUK_AVX2
            case .avx512: CPUK_AVX512
            }
        }

        init(_ value: cpuk_isa) {
            switch value {
            case CPUK_NEON: self = .neon
            case CPUK_AVX2: self = .avx2
            case CPUK_AVX512: self = .avx512
            default: self = .generic
            }
        }
    }

    /// Kernels that are compiled for the same instructions, such as `avx2_int8`. A backend uses one set of floats and at
    /// most one for products whose activations are rounded to BF16, and one for those quantised to int8.
    public struct KernelSet: Sendable, Hashable, CustomStringConvertible {
        public enum Kind: Sendable, Hashable {
            /// All ops, with FP32 activations.
            case floats
            case bfloat16
            case int8
        }

        public let name: String
        public let kind: Kind
        /// The instructions that the set needs, beside which it may need more.
        public let instructionSet: InstructionSet
        /// Whether this machine runs it.
        public let isSupported: Bool
        /// Whether only who names it gets it: a set for tests.
        public let isOnlyByName: Bool
        let index: Int

        public var description: String { name }

        /// Every set, in the order of preference.
        public static let all: [KernelSet] = (0..<Int(cpuk_kernel_set_count())).map { KernelSet(index: $0) }

        private init(index: Int) {
            let set = cpuk_kernel_set_at(Int32(index))
            name = String(cString: set.name)
            kind =
                switch set.kind {
                case CPUK_SET_OF_BF16: .bfloat16
                case CPUK_SET_OF_INT8: .int8
                default: .floats
                }
            instructionSet = InstructionSet(set.isa)
            isSupported = set.runs
            isOnlyByName = set.only_by_name
            self.index = index
        }

        /// Sets by their names, separated by commas.
        /// - Parameter source: where the names come from, for the error.
        /// - Throws: `BackendError.kernelSetUnavailable` for a name of no set, and for a set this machine does not run.
        public static func named(_ names: String, source: String) throws -> [KernelSet] {
            try names.split(separator: ",", omittingEmptySubsequences: false).map { part in
                let name = part.trimmed
                guard let set = all.first(where: { $0.name == name }) else {
                    throw BackendError.kernelSetUnavailable(
                        name: name, source: source, reason: "which is no kernel set", available: supportedNames)
                }
                guard set.isSupported else { throw set.unavailable(in: source) }
                return set
            }
        }

        static var supportedNames: [String] { all.filter(\.isSupported).map(\.name) }

        func unavailable(in source: String?) -> BackendError {
            BackendError.kernelSetUnavailable(
                name: name, source: source, reason: "which this processor does not run",
                available: KernelSet.supportedNames)
        }

        /// Those that a backend of an instruction set uses.
        static func defaults(of instructions: InstructionSet) -> [KernelSet] {
            var numbers = [Int32](repeating: 0, count: Int(CPUK_MAX_SETS))
            let count = cpuk_default_sets(instructions.kernelValue, &numbers)
            return numbers.prefix(Int(count)).map { all[Int($0)] }
        }

        /// Of each kind the first, with a set of floats where there is none.
        static func completed(_ sets: [KernelSet]) -> [KernelSet] {
            var chosen: [KernelSet] = []
            for set in sets where !chosen.contains(where: { $0.kind == set.kind }) { chosen.append(set) }
            if !chosen.contains(where: { $0.kind == .floats }) {
                let instructions = chosen.first?.instructionSet ?? .best
                chosen += defaults(of: instructions).filter { $0.kind == .floats }
            }
            return chosen
        }

        /// That of the set of floats.
        static func instructionSet(of sets: [KernelSet]) -> InstructionSet {
            sets.first { $0.kind == .floats }?.instructionSet ?? .generic
        }
    }
}

extension Substring {
    /// Without spaces around it.
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
