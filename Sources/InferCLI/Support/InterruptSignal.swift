import ArgumentParser
import Dispatch
import Glibc
import Synchronization

/// Turns Ctrl-C, a hang-up and `kill` into a flag that long work looks at, so that it can put away what is half done.
/// While one lives, these signals do not end the process by themselves. Those that were ignored before (as `nohup` and
/// shells do for what they put aside) stay so.
final class InterruptSignal {
    /// The number of the signal that came; 0 for none.
    private final class Received: Sendable {
        let number = Atomic<Int32>(0)
    }

    private let received = Received()
    private let signals: [Int32]
    private let sources: [any DispatchSourceSignal]

    init(_ numbers: [Int32] = [SIGINT, SIGTERM, SIGHUP]) {
        signals = numbers.filter { number in
            let before = signal(number, SIG_IGN)
            return unsafeBitCast(before, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self)
        }
        let queue = DispatchQueue(label: "infer.signals")
        sources = signals.map { DispatchSource.makeSignalSource(signal: $0, queue: queue) }
        for (number, source) in zip(signals, sources) {
            source.setEventHandler { [received] in received.number.store(number, ordering: .relaxed) }
            source.resume()
        }
    }

    deinit { restore() }

    var isReceived: Bool { received.number.load(ordering: .relaxed) != 0 }

    /// Forgets a signal that came.
    func reset() { received.number.store(0, ordering: .relaxed) }

    /// Ends the process by the signal that came, as it would have without this object, so that a shell sees it; else by
    /// the exit code that stands for the signal.
    func endProcess() throws -> Never {
        let number = received.number.load(ordering: .relaxed)
        restore()
        // The sources took the signals through a descriptor, for which they are blocked.
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, number)
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        raise(number)
        throw ExitCode(128 + number)
    }

    private func restore() {
        for source in sources { source.cancel() }
        for number in signals { signal(number, SIG_DFL) }
    }
}
