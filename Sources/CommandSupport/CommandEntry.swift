package import ArgumentParser
import Glibc

/// How an executable starts: it parses its arguments, runs the command that they name, and reports a failure.
package enum CommandEntry {
    /// Runs the command that the process's arguments name. Returns when it succeeds; ends the process where it does not.
    /// - Parameter listOptions: options that may stand without a value of their own, which is then an empty one.
    package static func run<Root: ParsableCommand>(_ root: Root.Type, listOptions: Set<String> = []) async {
        // A reader that closes our output early (`infer … | head`) must end us through a failed write, not a signal.
        signal(SIGPIPE, SIG_IGN)
        do {
            try CommandArguments.checkEncoding()
            var command = try Root.parseAsRoot(CommandArguments.all(listOptions: listOptions))
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            exit(ErrorReport(error, of: Root.self).deliver())
        }
    }
}
