import Foundation
import Testing

/// Runs the `infer` binary that was built beside the tests.
enum CommandLineTool {
    struct Result {
        let exitCode: Int32
        /// Whether a signal (a trap, a crash) ended it.
        let wasKilled: Bool
        let output: String
        let outputBytes: [UInt8]
        let errors: String

        /// The lines of standard error that report an error.
        var errorLines: [String] {
            errors.split(separator: "\n").map(String.init).filter { $0.lowercased().hasPrefix("error:") }
        }
    }

    /// How long one run may take before it counts as hanging.
    static let timeoutSeconds = 120.0

    static var path: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("infer")
    }

    /// Runs `infer` with `arguments`.
    /// - Parameters:
    ///   - input: the bytes of standard input; without them it is empty.
    ///   - environment: variables added to the test's own.
    ///   - outputPath: a file to write standard output to, such as `/dev/full`.
    static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:], outputPath: String? = nil
    ) throws -> Result {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let (inputFile, outputFile, errorFile) = (folder.file("in"), folder.file("out"), folder.file("err"))
        try Data(input).write(to: inputFile)
        try Data().write(to: outputFile)
        try Data().write(to: errorFile)

        let process = Process()
        process.executableURL = path
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: inputFile)
        process.standardOutput = try FileHandle(forWritingTo: outputPath.map { URL(fileURLWithPath: $0) } ?? outputFile)
        process.standardError = try FileHandle(forWritingTo: errorFile)
        try process.run()
        let watchdog = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + timeoutSeconds, execute: watchdog)
        process.waitUntilExit()
        watchdog.cancel()

        let output = try Data(contentsOf: outputFile)
        return Result(
            exitCode: process.terminationStatus, wasKilled: process.terminationReason == .uncaughtSignal,
            output: String(decoding: output, as: UTF8.self), outputBytes: Array(output),
            errors: String(decoding: try Data(contentsOf: errorFile), as: UTF8.self))
    }

    /// Runs a shell command line in which `$INFER` is the binary.
    static func shell(_ command: String, environment: [String: String] = [:]) throws -> Result {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let (outputFile, errorFile) = (folder.file("out"), folder.file("err"))
        try Data().write(to: outputFile)
        try Data().write(to: errorFile)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", command]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            .merging(["INFER": path.path]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: outputFile)
        process.standardError = try FileHandle(forWritingTo: errorFile)
        try process.run()
        process.waitUntilExit()
        let output = try Data(contentsOf: outputFile)
        return Result(
            exitCode: process.terminationStatus, wasKilled: process.terminationReason == .uncaughtSignal,
            output: String(decoding: output, as: UTF8.self), outputBytes: Array(output),
            errors: String(decoding: try Data(contentsOf: errorFile), as: UTF8.self))
    }

    /// Checks that a run failed as every failure must: no trap, exit code `code`, and exactly one line `error: …` that
    /// names each of `culprits`.
    static func expectFailure(
        _ result: Result, code: Int32, naming culprits: [String], _ name: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(!result.wasKilled, "\(name): ended by signal \(result.exitCode)", sourceLocation: sourceLocation)
        #expect(result.exitCode == code, "\(name): \(result.errors)", sourceLocation: sourceLocation)
        #expect(result.errorLines.count == 1, "\(name): \(result.errors)", sourceLocation: sourceLocation)
        let line = result.errorLines.first ?? ""
        for culprit in culprits {
            #expect(line.contains(culprit), "\(name): '\(culprit)' not in: \(line)", sourceLocation: sourceLocation)
        }
    }
}

/// A folder that a test may fill and must remove.
struct TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("infer-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    var path: String { url.path }

    func file(_ name: String) -> URL { url.appendingPathComponent(name) }

    func remove() { try? FileManager.default.removeItem(at: url) }
}
