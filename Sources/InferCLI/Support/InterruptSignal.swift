import Dispatch
import Glibc
import Synchronization

/// Turns Ctrl-C, a hang-up and `kill` into a flag that long work looks at, so that it can put away what is half done.
/// While one lives, these signals do not end the process by themselves.
final class InterruptSignal {
    private static let signals = [SIGINT, SIGTERM, SIGHUP]

    /// The number of the signal that came; 0 for none.
    private final class Received: Sendable {
        let number = Atomic<Int32>(0)
    }

    private let received = Received()
    private let sources: [any DispatchSourceSignal]

    init() {
        let queue = DispatchQueue(label: "infer.signals")
        sources = Self.signals.map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        for (number, source) in zip(Self.signals, sources) {
            source.setEventHandler { [received] in received.number.store(number, ordering: .relaxed) }
            source.resume()
        }
    }

    deinit {
        for source in sources { source.cancel() }
        for number in Self.signals { signal(number, SIG_DFL) }
    }

    var isReceived: Bool { received.number.load(ordering: .relaxed) != 0 }

    /// Ends the process by the signal that came, as it would have without this object, so that a shell sees it.
    func endProcessIfReceived() {
        let number = received.number.load(ordering: .relaxed)
        guard number != 0 else { return }
        signal(number, SIG_DFL)
        raise(number)
    }
}
