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
}
