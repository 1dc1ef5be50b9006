import CommandSupport
import Glibc

/// Progress on standard error: a bar that redraws itself on a terminal, and a plain line now and then elsewhere.
struct ProgressLine {
    private static let barWidth = 30
    /// How often a bar is drawn and a plain line printed.
    private static let barSeconds = 0.1
    private static let plainSeconds = 10.0

    private let title: String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?
    private var drawnWidth = 0

    init(_ title: String) {
        self.title = title
    }

    /// Shows that `fraction` of the work is done, where it is time to; `detail` says what is worked on.
    mutating func update(_ fraction: Double, _ detail: @autoclosure () -> String) {
        guard isDue() else { return }
        let percent = Int((min(max(fraction, 0), 1) * 100).rounded(.down))
        guard isTerminal else {
            StandardErrorLog.line("infer: \(title): \(percent) %, \(detail())")
            return
        }
        let filled = percent * ProgressLine.barWidth / 100
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: "-", count: ProgressLine.barWidth - filled)
        draw("\(title) [\(bar)] \(percent) % \(detail())")
    }

    /// Shows what is worked on, where it is time to, of work whose length is not known.
    mutating func update(_ detail: @autoclosure () -> String) {
        guard isDue() else { return }
        if isTerminal {
            draw("\(title): \(detail())")
        } else {
            StandardErrorLog.line("infer: \(title): \(detail())")
        }
    }

    private mutating func isDue() -> Bool {
        let now = ContinuousClock.now
        let elapsed = lastDrawn.map { (now - $0) / .seconds(1) }
        let interval = isTerminal ? ProgressLine.barSeconds : ProgressLine.plainSeconds
        // The first plain line comes only when the work turns out to be long.
        guard elapsed ?? (isTerminal ? interval : (now - start) / .seconds(1)) >= interval else { return false }
        lastDrawn = now
        return true
    }

    /// Removes the bar.
    mutating func clear() {
        guard drawnWidth > 0 else { return }
        draw("")
        drawnWidth = 0
    }

    private mutating func draw(_ text: String) {
        let width = ProgressLine.terminalWidth - 1
        let line = String(text.prefix(width))
        let padding = String(repeating: " ", count: max(drawnWidth - line.count, 0))
        drawnWidth = line.count
        // A bar that cannot be drawn is no reason to stop.
        try? FileDescriptor(rawValue: STDERR_FILENO).writeAll(Array("\r\(line)\(padding)\r".utf8))
    }

    /// Columns of the terminal; 80 where there is none.
    static var terminalWidth: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
        return Int(size.ws_col)
    }
}
