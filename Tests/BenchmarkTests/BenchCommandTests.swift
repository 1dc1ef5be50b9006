import Devices
import Foundation
import LoadGenerator
import Testing

@Suite("The bench executable", .timeLimit(.minutes(2))) struct BenchCommandTests {
    struct Result: Sendable {
        let code: Int32
        let output: String
        let errors: String

        var errorLines: [Substring] { errors.split(separator: "\n").filter { $0.hasPrefix("error:") } }
    }

    static func run(_ arguments: [String], executable: String = "bench") async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["out", "err"].map { folder.appendingPathComponent($0) }
        for file in files { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent(executable)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        await withCheckedContinuation { continuation in
            process.terminationHandler = { _ in continuation.resume() }
            do { try process.run() } catch { continuation.resume() }
        }
        return Result(
            code: process.terminationReason == .exit ? process.terminationStatus : -1,
            output: try String(contentsOf: files[0], encoding: .utf8),
            errors: try String(contentsOf: files[1], encoding: .utf8))
    }

    @Test(
        "wrong usage is one clear error and exit code 64",
        arguments: [
            (["nosuch"], "unknown suite 'nosuch'"), (["latency", "--shape", "llama-9b"], "llama-9b"),
            (["ops", "--shape", "x"], "'x'"), (["ops", "--only", "conv"], "op 'conv'"),
            (["ops", "--formats", "q9"], "q9"),
            (["ops", "--device", "tpu"], "tpu"), (["latency", "-p", "x"], "'x'"),
            (["latency", "-pg", "3"], "-pg is 3"),
            (["latency", "--shape", "llama-135m", "-m", "x"], "--shape and --model"),
            (["latency", "--formats", "q4_0"], "--formats belongs to --shape"),
            (["latency", "-r", "0"], "--repetitions"),
            (["ops", "--kv-dtypes", "int4"], "int4"), (["latency", "--shape", "mixtral-8x7b"], "mixtral-8x7b"),
            (["throughput", "--prompt-range", "9,3"], "--prompt-range"), (["serve", "--url", "ftp://x"], "ftp://x"),
            (["serve", "--request-rate", "0"], "'0'"), (["serve", "--goodput", "speed:1"], "speed:1"),
            (["serve", "--burstiness", "-1"], "--burstiness"), (["latency", "-o", "xml"], "xml"),
        ])
    func usage(arguments: [String], culprit: String) async throws {
        let result = try await Self.run(arguments)
        #expect(result.code == 64, "\(result.errors)")
        #expect(result.errorLines.count == 1 && result.errorLines.first?.contains(culprit) == true, "\(result.errors)")
        #expect(result.output.isEmpty)
    }

    @Test(
        "what fails while running is one clear error and exit code 1",
        arguments: [
            (["ops", "--device", "opencl:99"], "opencl:99"), (["latency", "-m", "/nonexistent"], "/nonexistent"),
            (["counts", "--models", "/nonexistent"], "/nonexistent"),
            (["serve", "--trace", "/nonexistent.csv"], "/nonexistent.csv"),
            (["serve", "--url", "http://127.0.0.1:1"], "http://127.0.0.1:1: no answer"),
            (["latency", "--save", "/dev/null/rows"], "/dev/null/rows"),
        ])
    func failures(arguments: [String], culprit: String) async throws {
        let result = try await Self.run(arguments)
        #expect(result.code == 1, "\(result.errors)")
        #expect(result.errorLines.count == 1 && result.errorLines.first?.contains(culprit) == true, "\(result.errors)")
    }

    @Test("infer bench is the same code") func sameCode() async throws {
        let arguments = ["-p", "4", "-n", "2", "-r", "1", "-o", "csv", "--device", "cpu"]
        let header = "build_version,backends,model_filename"
        for executable in ["bench", "infer"] {
            let prefix = executable == "infer" ? ["bench"] : []
            let result = try await Self.run(prefix + arguments, executable: executable)
            #expect(result.code == 0, "\(result.errors)")
            let lines = result.output.split(separator: "\n")
            #expect(lines.count == 3 && lines[0].contains(header), "\(result.output)")
            #expect(lines[1].contains("\"pp4\"") && lines[2].contains("\"tg2\""))
        }
    }

    @Test(
        "a profile has every launch of one token, its floor and its gap",
        arguments: DeviceSelection.availableChoices().map(\.description))
    func profile(device: String) async throws {
        let decode = try await Self.run(
            ["latency", "-p", "0", "-r", "1", "-n", "4", "--device", device, "--profile", "-t", "1"])
        #expect(decode.code == 0, "\(decode.errors)")
        #expect(decode.errors.contains("one token") && decode.errors.contains("gap ms"))
    }

    /// On one device: which passes count as a step does not depend on the device.
    @Test("a profile of a batch has every launch of one step") func batchProfile() async throws {
        let batches = try await Self.run([
            "throughput", "-p", "3", "--batches", "2", "--requests", "0", "-n", "4", "--device", "cpu", "--profile",
            "-t", "1",
        ])
        #expect(batches.code == 0, "\(batches.errors)")
        let embed = batches.errors.split(separator: "\n").first { $0.hasPrefix("embed") }
        let launches = embed?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
        #expect(launches == launches?.rounded(), "\(batches.errors)")
        #expect(batches.errors.contains("one step of 2 tokens"), "\(batches.errors)")
    }

    @Test("a sweep prints a row a run, and a server that dies leaves the rows before") func serve() async throws {
        let server = try await FakeServer([.tokens(3), .tokens(3), .tokens(3), .tokens(3), .breaks(after: 1)])
        let result = try await Self.run([
            "serve", "--url", "\(server.address)", "--requests", "2", "--max-concurrency", "1,2,4,8", "-o", "jsonl",
            "--goodput", "ttft:10000",
        ])
        #expect(result.code == 1, "\(result.errors)")
        let rows = result.output.split(separator: "\n")
        #expect(rows.count == 3, "\(result.output)")
        #expect(
            rows.prefix(2).allSatisfy {
                $0.contains("\"completed\":2,\"failed\":0") && $0.contains("\"model\":\"fake\"")
            })
        #expect(rows.last?.contains("\"completed\":0,\"failed\":2") == true)
        #expect(result.errorLines.count == 1 && result.errorLines.first?.contains("2 of 2 requests failed") == true)
        try await server.stop()
    }

    @Test("an array of rows is closed where a run fails") func brokenJSON() async throws {
        let server = try await FakeServer([.tokens(2), .breaks(after: 1)])
        let result = try await Self.run([
            "serve", "--url", "\(server.address)", "--requests", "1", "--max-concurrency", "1,2", "-o", "json",
        ])
        #expect(result.code == 1, "\(result.errors)")
        let rows = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]]
        #expect(rows?.count == 2 && rows?.first?["completed"] as? Int == 1, "\(result.output)")
        try await server.stop()
    }

    @Test("a malformed trace ends before anything is sent") func trace() async throws {
        let server = try await FakeServer([.tokens(1)])
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("trace-\(UUID().uuidString).csv")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("TIMESTAMP,ContextTokens,GeneratedTokens\n0,1,1\nx,1,1\n".utf8).write(to: file)
        let result = try await Self.run(["serve", "--url", "\(server.address)", "--trace", file.path])
        #expect(
            result.code == 1 && result.errorLines.first?.contains("line 3: 'x' is no time") == true, "\(result.errors)")
        #expect(server.observed.received == 0)
        try await server.stop()
    }
}
