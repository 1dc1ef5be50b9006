internal import JSONCore
internal import Synchronization

/// Answers of `/v1/responses` that later requests continue. Bounded in number and size: the oldest are dropped first.
final class ResponseStore: Sendable {
    struct Entry: Sendable {
        /// The conversation up to and including the answer, as templates take it.
        let messages: [JSON]
        let response: JSON
        let byteCount: Int
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var order: [String] = []
        var byteCount = 0
    }

    private let capacity: Int
    private let maximumByteCount = 64 << 20
    private let state = Mutex(State())

    init(capacity: Int) { self.capacity = capacity }

    func store(_ id: String, messages: [JSON], response: JSON) {
        let size = JSON.array(messages).text.utf8.count + response.text.utf8.count
        guard capacity > 0, size <= maximumByteCount else { return }
        state.withLock { state in
            state.entries[id] = Entry(messages: messages, response: response, byteCount: size)
            state.order.append(id)
            state.byteCount += size
            while state.order.count > capacity || state.byteCount > maximumByteCount {
                if let old = state.entries.removeValue(forKey: state.order.removeFirst()) {
                    state.byteCount -= old.byteCount
                }
            }
        }
    }

    func entry(_ id: String) -> Entry? { state.withLock { $0.entries[id] } }

    func remove(_ id: String) -> Bool {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: id) else { return false }
            state.order.removeAll { $0 == id }
            state.byteCount -= entry.byteCount
            return true
        }
    }
}
