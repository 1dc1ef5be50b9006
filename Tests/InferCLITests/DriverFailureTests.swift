import Foundation
import Testing

/// OpenCL drivers that do not survive being asked for their devices: small libraries that the test compiles and shows to
/// the loader as drivers.
@Suite struct DriverFailureTests {
    private static let greedy = ["generate", "--temperature", "0", "--max-tokens", "5", "To be, or not"]

    /// A driver that runs `body` when it is opened. `nil` where nothing here compiles C.
    private func driver(_ body: String, in folder: TemporaryFolder) throws -> [String: String]? {
        let (source, library) = (folder.file("driver.c"), folder.file("driver.so"))
        let text = """
            #include <stdlib.h>
            #include <unistd.h>
            __attribute__((constructor)) static void start(void) { \(body) }

            """
        try Data(text.utf8).write(to: source)
        let compiled = try CommandLineTool.shell(
            "$(command -v clang cc gcc | head -n 1) -shared -fPIC -o '\(library.path)' '\(source.path)'")
        guard compiled.exitCode == 0 else {
            print("DriverFailureTests: not run: no C compiler (\(compiled.errors.prefix(100)))")
            return nil
        }
        try Data((library.path + "\n").utf8).write(to: folder.file("driver.icd"))
        return ["OCL_ICD_VENDORS": folder.path]
    }

    /// Whether an OpenCL loader is here to open a driver at all.
    private func hasLoader() throws -> Bool {
        let listing = try CommandLineTool.run(["devices"])
        let isMissing = listing.output.contains("libOpenCL.so")
        if isMissing { print("DriverFailureTests: not run: no OpenCL loader") }
        return !isMissing
    }

    @Test(arguments: [
        ("abort();", "crashes (signal 6)"), ("*(volatile int *)0 = 1;", "crashes (signal 11)"),
        ("_exit(3);", "exits (code 3)"),
    ])
    func aDriverThatEndsTheProcessIsContained(body: String, told: String) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        guard try hasLoader(), let environment = try driver(body, in: folder) else { return }

        let automatic = try CommandLineTool.run(Self.greedy, environment: environment)
        #expect(automatic.exitCode == 0 && !automatic.output.isEmpty, "\(automatic.errors)")
        let lines = automatic.errors.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].contains("device: cpu") && lines[0].contains(told), "\(automatic.errors)")

        let asked = try CommandLineTool.run(Self.greedy + ["--device", "opencl"], environment: environment)
        CommandLineTool.expectFailure(asked, code: 1, naming: ["OpenCL", told, "--device cpu"], body)

        let listing = try CommandLineTool.run(["devices"], environment: environment)
        #expect(listing.exitCode == 0 && listing.output.contains(told), "\(listing.output)\(listing.errors)")
    }
}
