import Foundation
import OpenCLBackend
import TensorCore
import Testing

/// Kernel sources, builds and the cache of compiled programs.
@Suite struct ProgramTests {
    /// A folder of its own under the temporary directory, removed at the end.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("infer-programs-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    private var sourceDirectory: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Kernels")
            .standardizedFileURL.path
    }

    private func norm(_ backend: OpenCLBackend) throws -> [Float] {
        let x = try backend.makeTensor([Float(3), 4], [1, 2])
        let weight = try backend.makeTensor([Float(1), 1], [2])
        let output = try backend.makeTensor(.float32, [1, 2])
        try backend.rmsNorm(x, residual: nil, sum: nil, weight: weight, epsilon: 0, into: output)
        return try backend.readFloats(output)
    }

    private let normed: [Float] = [3 / Float(12.5).squareRoot(), 4 / Float(12.5).squareRoot()]

    private func isClose(_ values: [Float]) -> Bool { zip(values, normed).allSatisfy { abs($0 - $1) < 1e-6 } }

    @Test func everyKernelFileIsEmbedded() throws {
        let directory = sourceDirectory
        let files = try #require(FileManager.default.enumerator(atPath: directory)).compactMap { $0 as? String }
            .filter { $0.hasSuffix(".cl") }
        #expect(!files.isEmpty)
        #expect(Set(KernelText.embeddedNames) == Set(files))
        #expect(KernelText.embeddedNames.count == files.count)
        for name in files {
            #expect(
                try KernelText.text(named: name, directory: nil) == KernelText.text(named: name, directory: directory))
        }
    }

    @Test func missingSourcesAreNamed() throws {
        try withDirectory { directory in
            #expect(throws: BackendError.kernelSourceMissing(name: "norm/rms_norm.cl", directory: directory)) {
                try KernelText.text(named: "norm/rms_norm.cl", directory: directory)
            }
        }
        #expect(throws: BackendError.kernelSourceMissing(name: "nothing.cl", directory: nil)) {
            try KernelText.text(named: "nothing.cl", directory: nil)
        }
    }

    @Test(arguments: OpenCLDevices.all)
    func kernelsFromFolder(_ device: OpenCLDevice) throws {
        try withDirectory { directory in
            let kernels = directory + "/Kernels"
            try FileManager.default.copyItem(atPath: sourceDirectory, toPath: kernels)
            let options = OpenCLOptions(kernelDirectory: kernels)
            #expect(isClose(try norm(OpenCLBackend(device: device, options: options))))

            let path = kernels + "/norm/rms_norm.cl"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try (text + "\nthis is no kernel\n").write(toFile: path, atomically: true, encoding: .utf8)
            do {
                _ = try norm(OpenCLBackend(device: device, options: options))
                Issue.record("a broken kernel was built")
            } catch let error as BackendError {
                guard case .kernelBuildFailed(let program, let name, let log) = error else {
                    Issue.record("\(error)")
                    return
                }
                #expect(program == "rms_norm" && name == device.name && log.contains("rms_norm.cl"))
                #expect(!error.description.contains { $0.isNewline })
            }
            try FileManager.default.removeItem(atPath: path)
            #expect(throws: BackendError.kernelSourceMissing(name: "norm/rms_norm.cl", directory: kernels)) {
                _ = try norm(OpenCLBackend(device: device, options: options))
            }
        }
    }

    @Test(arguments: OpenCLDevices.all)
    func binariesAreKeptAndReplaced(_ device: OpenCLDevice) throws {
        try withDirectory { directory in
            let options = OpenCLOptions(cacheDirectory: directory)
            func run(_ options: OpenCLOptions, builds: Int) throws {
                let backend = try OpenCLBackend(device: device, options: options)
                #expect(isClose(try norm(backend)))
                #expect(backend.counters.programBuilds == builds)
            }
            try run(options, builds: 1)
            try run(options, builds: 0)
            let files = try FileManager.default.contentsOfDirectory(atPath: directory)
            let file = directory + "/" + (try #require(files.first { $0.hasPrefix("rms_norm-") }))
            #expect(files.count == 1)
            let whole = try #require(FileManager.default.contents(atPath: file))
            // Cut off, one bit changed, empty, and another program's binary under this name.
            var flipped = whole
            flipped[flipped.count / 2] ^= 1
            for damaged in [whole.prefix(whole.count / 2), flipped, Data(), whole.prefix(20), Data(count: 4096)] {
                try damaged.write(to: URL(fileURLWithPath: file))
                try run(options, builds: 1)
                #expect(FileManager.default.contents(atPath: file)?.count ?? 0 > 32)
                try run(options, builds: 0)
            }
            // Other options are another program.
            var other = options
            other.buildOptions = "-DUNUSED=1"
            try run(other, builds: 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 2)
        }
    }

    @Test(arguments: OpenCLDevices.all)
    func compilingIsToldOnceAndOnlyWhereThereIsNoBinary(_ device: OpenCLDevice) throws {
        try withDirectory { directory in
            let told = Lines()
            let options = OpenCLOptions(cacheDirectory: directory, compilationBegins: { told.add("compiling") })
            for _ in 0..<2 {
                let backend = try OpenCLBackend(device: device, options: options)
                #expect(isClose(try norm(backend)))
                let x = try backend.makeTensor([Float(1)], [1, 1])
                try backend.softmax(x, scale: 1, into: x)
                try backend.synchronize()
                #expect(told.all.count == 1)
            }
        }
    }

    @Test(arguments: OpenCLDevices.all)
    func unwritableCacheIsAWarning(_ device: OpenCLDevice) throws {
        try withDirectory { directory in
            let file = directory + "/file"
            try Data([1]).write(to: URL(fileURLWithPath: file))
            let warnings = Lines()
            let options = OpenCLOptions(cacheDirectory: file + "/below") { warnings.add($0) }
            let backend = try OpenCLBackend(device: device, options: options)
            #expect(isClose(try norm(backend)))
            let x = try backend.makeTensor([Float(1)], [1, 1])
            try backend.softmax(x, scale: 1, into: x)
            try backend.synchronize()
            #expect(warnings.all.count == 1)
            #expect(warnings.all.first?.contains(file) == true && warnings.all.first?.contains("\n") == false)
        }
    }

    @Test(arguments: OpenCLDevices.all)
    func manyWriteOneCache(_ device: OpenCLDevice) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("infer-programs-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let isRight = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let options = OpenCLOptions(cacheDirectory: directory)
                    return isClose(try norm(OpenCLBackend(device: device, options: options)))
                }
            }
            return try await group.reduce(into: true) { $0 = $0 && $1 }
        }
        #expect(isRight)
        // One file, whole, and nothing left beside it.
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 1)
        let backend = try OpenCLBackend(device: device, options: OpenCLOptions(cacheDirectory: directory))
        #expect(isClose(try norm(backend)) && backend.counters.programBuilds == 0)
    }

    /// Two writers keep replacing a file by whole versions while it is read.
    @Test func readersSeeWholeFiles() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("infer-programs-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let key = ProgramCache.Key(program: "p", parts: ["a", "b"])
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<2 {
                group.addTask {
                    let cache = ProgramCache(directory: directory) { Issue.record("\($0)") }
                    let binary = [UInt8](repeating: UInt8(writer), count: 100_000 + writer)
                    for _ in 0..<50 { #expect(throws: Never.self) { try cache.store(binary, for: key) } }
                }
            }
            group.addTask {
                let cache = ProgramCache(directory: directory) { _ in }
                while cache.load(key) == nil { await Task.yield() }
                for _ in 0..<50 { #expect(cache.load(key)?.count ?? 0 >= 100_000) }
            }
        }
    }

    @Test func keysTellPartsApart() {
        let keys = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], []].map {
            ProgramCache.Key(program: "p", parts: $0).hash
        }
        #expect(Set(keys).count == keys.count)
        #expect(ProgramCache.Key(program: "p", parts: ["x"]).fileName.hasPrefix("p-"))
    }
}

/// Lines that several threads add to.
private final class Lines: Sendable {
    private let lock = NSLock()
    // SAFETY: only read and written under `lock`.
    nonisolated(unsafe) private var lines: [String] = []

    func add(_ line: String) { lock.withLock { lines.append(line) } }
    var all: [String] { lock.withLock { lines } }
}
