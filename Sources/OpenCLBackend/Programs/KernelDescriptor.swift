package import TensorCore

/// A program: the kernels of one family, compiled together.
package final class ProgramDescriptor: Sendable {
    /// The family's name, such as `norm`.
    let name: String
    /// Files below Kernels/, in the order they are compiled, behind the files of `common/`.
    let sources: [String]
    /// Macros, such as tile sizes from the tuning table: `("TILE", 8)` becomes `-DTILE=8`.
    let defines: @Sendable (Tuning) -> [(name: String, value: Int)]
    /// The weight format that the program is built for; `nil`: it has none, or several.
    let format: WeightFormat?
    /// The version of OpenCL C, as `-cl-std` names it.
    let language: String

    package init(
        _ name: String, sources: [String], format: WeightFormat? = nil, language: String = "CL1.2",
        defines: @escaping @Sendable (Tuning) -> [(name: String, value: Int)] = { _ in [] }
    ) {
        self.name = name
        self.format = format
        self.language = language
        self.sources = sources
        self.defines = defines
    }
}

/// What kind of value a kernel's argument takes.
package enum ArgumentKind: String, Sendable {
    /// A pointer, and behind it the `ulong` index of the first element: two parameters in the kernel's list.
    case tensor
    /// As `tensor`; a null pointer where there is none.
    case optionalTensor = "optional tensor"
    case int32
    case uint32
    case float
    /// Local memory.
    case local

    /// Parameters in the kernel's list.
    var slotCount: Int {
        switch self {
        case .tensor, .optionalTensor: 2
        case .int32, .uint32, .float, .local: 1
        }
    }
}

/// A kernel, described once: its name in its program and the kinds of its arguments in order.
package final class KernelDescriptor: Sendable {
    let program: ProgramDescriptor
    let name: String
    package let arguments: [ArgumentKind]
    /// Whether its text also compiles as a function of a chain (Kernels/chain/run_chain.cl).
    let isChained: Bool

    package init(
        _ program: ProgramDescriptor, _ name: String, _ arguments: [ArgumentKind], isChained: Bool = false
    ) {
        precondition(
            !isChained || arguments.reduce(0) { $0 + $1.slotCount } <= RecordedLaunches.argumentWordCount,
            "\(name) has more arguments than a command of a chain holds")
        self.isChained = isChained
        self.program = program
        self.name = name
        self.arguments = arguments
    }
}
