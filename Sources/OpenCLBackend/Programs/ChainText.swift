internal import TensorCore

/// The text of a chain's program: that of each kernel's program, whose names are made its own, since programs of
/// several formats define the same ones; then Kernels/chain/run_chain.cl with a call of each kernel.
enum ChainText {
    static func program(_ kernels: [KernelDescriptor], tuning: Tuning, directory: String?) throws -> String {
        var text = "#define IS_CHAIN 1\n#define CHAIN_COMMAND_WORDS \(RecordedLaunches.commandWordCount)\n"
        for name in KernelText.commonSources { text += try KernelText.file(name, directory: directory) }
        for (number, kernel) in kernels.enumerated() {
            let program = kernel.program
            var body = ""
            for name in program.sources { body += try KernelText.file(name, directory: directory) }
            let macros = (program.format?.kernelMacros ?? []) + program.defines(tuning).map { ($0.name, "\($0.value)") }
            let names = definedFunctions(body) + definedTypes(body) + [kernel.name]
            text += macros.map { "#define \($0.name) \($0.value)\n" }.joined()
            text += names.map { "#define \($0) \($0)_\(number)\n" }.joined()
            text += body
            text += (macros.map(\.name) + names + definedMacros(body)).map { "#undef \($0)\n" }.joined()
        }
        let calls = kernels.enumerated().map { number, kernel in
            "case \(number): \(kernel.name)_\(number)(item, \(arguments(of: kernel))); break;"
        }
        text += "#define CHAIN_CASES " + calls.joined(separator: " ") + "\n"
        return text + (try KernelText.file("chain/run_chain.cl", directory: directory))
    }

    /// A kernel's arguments from the words of its command.
    private static func arguments(of kernel: KernelDescriptor) -> String {
        var word = RecordedLaunches.headerWordCount
        return kernel.arguments.map { kind in
            defer { word += kind.slotCount }
            return switch kind {
            case .tensor, .optionalTensor: "(__global void *)command[\(word)], command[\(word + 1)]"
            case .int32: "(int)command[\(word)]"
            case .uint32: "(uint)command[\(word)]"
            case .float: "as_float((uint)command[\(word)])"
            case .local: "scratch"
            }
        }.joined(separator: ", ")
    }

    private static func definedMacros(_ text: String) -> [String] {
        unique(lines(text, startingWith: ["#define "]).map { word(String($0.dropFirst(8))) })
    }

    private static func definedTypes(_ text: String) -> [String] {
        unique(
            lines(text, startingWith: ["typedef "]).compactMap { line in
                line.dropLast().split(separator: " ").last.map(String.init)
            })
    }

    /// The names before the parenthesis, or the bracket of a table, in lines that start a definition.
    private static func definedFunctions(_ text: String) -> [String] {
        let starts = ["static inline ", "__constant ", "QUANT_INLINE ", "BLOCK_INLINE ", "DOT_INLINE "]
        return unique(
            lines(text, startingWith: starts).compactMap { line in
                let declaration = line.replacing("__attribute__((always_inline)) ", with: "")
                let head = declaration.prefix { $0 != "(" && $0 != "[" }
                return head.split(whereSeparator: { $0 == " " || $0 == "*" }).last.map(String.init)
            })
    }

    private static func lines(_ text: String, startingWith starts: [String]) -> [Substring] {
        text.split(separator: "\n").filter { line in starts.contains { line.hasPrefix($0) } }
    }

    private static func word(_ text: String) -> String {
        String(text.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    }

    private static func unique(_ names: [String]) -> [String] { Array(Set(names)).sorted() }
}
