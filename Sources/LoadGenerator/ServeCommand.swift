package import ArgumentParser

package struct ServeCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(commandName: "serve", abstract: "x")
    package init() {}
    package func run() async throws {}
}
