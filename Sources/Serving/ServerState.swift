internal import Logging
internal import Synchronization

/// What all requests of a server share.
final class ServerState: Sendable {
    let options: ServingOptions
    let directory: ModelDirectory
    let collections: CollectionDirectory
    let metrics: Metrics
    let slots = SlotBoards()
    let log: Logger
    let started = ContinuousClock.now
    /// The methods that each path answers, for the `Allow` header of a 405.
    let routes: [String: [String]]
    let responses: ResponseStore
    private let draining = Atomic<Bool>(false)
    private let listening = Atomic<Bool>(false)

    init(
        options: ServingOptions, directory: ModelDirectory, collections: [any ServedCollection], log: Logger,
        routes: [String: [String]]
    ) {
        self.options = options
        self.directory = directory
        self.collections = CollectionDirectory(collections: collections)
        self.log = log
        self.routes = routes
        metrics = Metrics()
        responses = ResponseStore(capacity: options.storedResponseCount)
    }

    /// Whether the server finishes what is running and takes nothing new.
    var isDraining: Bool { draining.load(ordering: .acquiring) }

    /// Whether the server ever took connections; a server that has not yet is not ready.
    var isListening: Bool { listening.load(ordering: .acquiring) }

    func setListening() { listening.store(true, ordering: .releasing) }

    func drain() { draining.store(true, ordering: .releasing) }

    /// Paths that need no key.
    func isOpen(path: String) -> Bool {
        ["/health", "/v1/health", "/ready", "/v1/ready", "/", "/favicon.ico"].contains(path)
    }
}
