import Foundation
import Glibc
import TestSupport
import Testing

/// `infer chat` at a terminal: the keys that edit a line, its history, styles, and Ctrl-C.
struct ChatTerminalTests {
    private static let scripted = ReferenceMaterial.fixtures.appendingPathComponent("scripted").path
    private static let bard = ReferenceMaterial.packageRoot.appendingPathComponent("Sources/BundledModel/bard").path

    private static let left = "\u{1B}[D"
    private static let up = "\u{1B}[A"
    private static let backspace = "\u{7F}"

    @Test("Keys edit the line, and the history brings lines back")
    func editing() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let terminal = try PseudoTerminal(["chat", "--model", ChatTerminalTests.scripted, "--device", "cpu", "-t", "1"])
        defer { terminal.end() }
        try terminal.wait(for: "> ")
        // A letter put in and taken back in the middle, on to the end, a word removed.
        terminal.type("Ho" + ChatTerminalTests.left + "w" + ChatTerminalTests.backspace + "\u{05} is wrong\u{17}it?\r")
        try terminal.wait(for: "</tool_call>")
        try terminal.wait(for: "> ")
        terminal.type(ChatTerminalTests.up + "!\r")
        try terminal.wait(for: "</tool_call>")
        try terminal.wait(for: "> ")
        // Ctrl-C empties the line, and so does Ctrl-U.
        terminal.type("lost\u{03}lost too\u{15}/save \(folder.file("said.json").path)\r")
        try terminal.wait(for: "> ")
        terminal.type("\u{04}")
        #expect(terminal.exitCode() == 0)
        let saved = try String(contentsOf: folder.file("said.json"), encoding: .utf8)
        #expect(saved.contains(#"{"role":"user","content":"Ho is it?"}"#), "\(saved)")
        #expect(saved.contains(#"{"role":"user","content":"Ho is it?!"}"#), "\(saved)")
        #expect(!saved.contains("lost"))
    }

    @Test("A paste of several lines is one message; reasoning is dimmed")
    func pastes() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let terminal = try PseudoTerminal(["chat", "--model", ChatTerminalTests.scripted, "--device", "cpu", "-t", "1"])
        defer { terminal.end() }
        try terminal.wait(for: "> ")
        terminal.type("\u{1B}[200~one\rtwo\u{1B}[201~\r")
        let shown = try terminal.wait(for: "</tool_call>")
        #expect(shown.contains("\u{1B}[2m<think>"), "\(shown)")
        #expect(shown.contains("</think>\u{1B}[0m"))
        try terminal.wait(for: "> ")
        terminal.type("/save \(folder.file("said.json").path)\r")
        try terminal.wait(for: "> ")
        terminal.type("/quit\r")
        #expect(terminal.exitCode() == 0)
        let saved = try String(contentsOf: folder.file("said.json"), encoding: .utf8)
        #expect(saved.contains(#""content":"one\ntwo""#), "\(saved)")
    }

    @Test("Ctrl-C within an answer ends the answer and not the conversation")
    func interrupts() throws {
        let terminal = try PseudoTerminal([
            "chat", "--model", ChatTerminalTests.bard, "--device", "cpu", "-t", "1", "--seed", "1",
        ])
        defer { terminal.end() }
        try terminal.wait(for: "> ")
        terminal.type("Speak to me.\r")
        try terminal.wait(for: "\n")
        terminal.interrupt()
        try terminal.wait(for: "> ")
        terminal.type("/nonsense\r")
        try terminal.wait(for: "/nonsense is no command")
        try terminal.wait(for: "> ")
        terminal.type("\u{04}")
        #expect(terminal.exitCode() == 0)
    }
}

/// The `infer` binary at a terminal of its own.
final class PseudoTerminal {
    private let process = Process()
    private let descriptor: Int32
    private var pending: [UInt8] = []

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    init(_ arguments: [String]) throws {
        // Linux's own way (pty(7)): unlock the other end (TIOCSPTLCK) and ask for its number (TIOCGPTN).
        let descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var (lock, number): (Int32, Int32) = (0, 0)
        guard descriptor >= 0, ioctl(descriptor, UInt(0x4004_5431), &lock) == 0,
            ioctl(descriptor, UInt(0x8004_5430), &number) == 0
        else { throw Failure(description: "no pseudo-terminal: \(String(cString: strerror(errno)))") }
        let inside = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        guard inside >= 0 else { throw Failure(description: "no terminal: \(String(cString: strerror(errno)))") }
        self.descriptor = descriptor
        let handle = FileHandle(fileDescriptor: inside, closeOnDealloc: false)
        process.executableURL = CommandLineTool.path
        process.arguments = arguments
        process.standardInput = handle
        process.standardOutput = handle
        process.standardError = FileHandle.nullDevice
        try process.run()
        close(inside)
    }

    func type(_ keys: String) {
        let bytes = Array(keys.utf8)
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    func interrupt() { process.interrupt() }

    /// Reads until a text was shown.
    /// - Returns: what was shown up to its end.
    @discardableResult
    func wait(for text: String, seconds: Double = 60) throws -> String {
        let wanted = Array(text.utf8)
        let deadline = Date().addingTimeInterval(seconds)
        while true {
            if pending.count >= wanted.count,
                let place = (0...(pending.count - wanted.count)).first(where: { pending[$0...].starts(with: wanted) })
            {
                let shown = String(decoding: pending[..<(place + wanted.count)], as: UTF8.self)
                pending.removeFirst(place + wanted.count)
                return shown
            }
            guard Date() < deadline, read() else {
                throw Failure(description: "'\(text)' does not come after: \(String(decoding: pending, as: UTF8.self))")
            }
        }
    }

    /// - Returns: whether the terminal is still there.
    private func read() -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, 100) > 0 else { return process.isRunning }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        if count > 0 { pending += buffer[..<count] }
        return count > 0
    }

    /// Waits until the process has ended.
    func exitCode() -> Int32 {
        let deadline = Date().addingTimeInterval(60)
        while process.isRunning, Date() < deadline { _ = read() }
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationStatus
    }

    func end() {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        close(descriptor)
    }
}
