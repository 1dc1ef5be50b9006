import ArgumentParser
import Glibc

package enum CommandArguments {
    /// Refuses arguments that are not UTF-8: Swift would replace their broken bytes, and the text would no longer be
    /// what was given.
    package static func checkEncoding() throws {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            if String(validatingCString: argument) == nil {
                throw ValidationError("argument \(index) is not valid UTF-8; pass such bytes in a file, or fix them")
            }
        }
    }

    /// The process's arguments, with an empty value behind options of `listOptions` that have none.
    package static func all(listOptions: Set<String>) -> [String] {
        completed(Array(CommandLine.arguments.dropFirst()), listOptions: listOptions)
    }

    package static func completed(_ arguments: [String], listOptions: Set<String>) -> [String] {
        let end = arguments.firstIndex(of: "--") ?? arguments.count
        return arguments.enumerated().flatMap { index, argument in
            let next = index + 1 < arguments.count ? arguments[index + 1] : "--"
            let hasNone = index < end && listOptions.contains(argument) && next.count > 1 && next.hasPrefix("-")
            return hasNone ? [argument, ""] : [argument]
        }
    }
}
