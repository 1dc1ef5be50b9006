/// Sequences that wait for a place. The lowest priority value goes first; among equals those that had a place before,
/// by arrival, then the first one of the client that was served least.
///
/// Clients are compared by the work that was done for them. A client that comes back after a pause starts level with
/// the least served one that waits, so that nobody gains from a pause. (Virtual token counter: Sheng et al., 2024)
struct WaitingQueue: Sendable {
    private struct Line: Sendable {
        var ids: [Int] = []
        var head = 0

        var first: Int? { head < ids.count ? ids[head] : nil }

        mutating func removeFirst() {
            head += 1
            guard head > 32, 2 * head > ids.count else { return }
            ids.removeFirst(head)
            head = 0
        }
    }

    private struct Level: Sendable {
        let priority: Int
        /// Preempted sequences, in order of arrival.
        var returning: [(arrival: Int, id: Int)] = []
        var lines: [String?: Line] = [:]
        var isEmpty: Bool { returning.isEmpty && lines.isEmpty }
    }

    /// Ascending by priority, none of them empty.
    private var levels: [Level] = []
    private var served: [String?: Double] = [:]
    private static let rememberedClientCount = 4096
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    private mutating func level(_ priority: Int) -> Int {
        let index = levels.firstIndex { $0.priority >= priority } ?? levels.count
        if index == levels.count || levels[index].priority != priority {
            levels.insert(Level(priority: priority), at: index)
        }
        return index
    }

    mutating func append(_ id: Int, priority: Int, client: String?) {
        let index = level(priority)
        if levels[index].lines[client] == nil {
            let least = levels.flatMap(\.lines.keys).map { served[$0, default: 0] }.min() ?? 0
            served[client] = max(served[client, default: 0], least)
            forgetIdleClients()
        }
        levels[index].lines[client, default: Line()].ids.append(id)
        count += 1
    }

    /// Queues a sequence that had a place and lost it.
    mutating func putBack(_ id: Int, priority: Int, arrival: Int) {
        let index = level(priority)
        let place = levels[index].returning.firstIndex { $0.arrival > arrival } ?? levels[index].returning.count
        levels[index].returning.insert((arrival, id), at: place)
        count += 1
    }

    /// Counts work that is done for a client.
    mutating func charge(_ work: Double, to client: String?) { served[client, default: 0] += work }

    /// The sequence whose turn it is.
    var first: Int? {
        guard let level = levels.first else { return nil }
        return level.returning.first?.id ?? nextLine(level).flatMap { level.lines[$0]?.first }
    }

    /// The client of a level that was served least, by name among equals.
    private func nextLine(_ level: Level) -> String?? {
        level.lines.keys.min { (served[$0, default: 0], $0 ?? "") < (served[$1, default: 0], $1 ?? "") }
    }

    mutating func removeFirst() {
        guard let level = levels.first else { return }
        count -= 1
        if !level.returning.isEmpty {
            levels[0].returning.removeFirst()
        } else if let client = nextLine(level) {
            levels[0].lines[client]?.removeFirst()
            if levels[0].lines[client]?.first == nil { levels[0].lines[client] = nil }
        }
        if levels[0].isEmpty { levels.removeFirst() }
    }

    /// Takes a sequence out, wherever it stands. `client` and `priority` are those it was queued with.
    mutating func remove(_ id: Int, priority: Int, client: String?) {
        guard let index = levels.firstIndex(where: { $0.priority == priority }) else { return }
        if let place = levels[index].returning.firstIndex(where: { $0.id == id }) {
            levels[index].returning.remove(at: place)
            count -= 1
        } else if let place = levels[index].lines[client]?.ids.lastIndex(of: id) {
            levels[index].lines[client]?.ids.remove(at: place)
            if levels[index].lines[client]?.first == nil { levels[index].lines[client] = nil }
            count -= 1
        }
        if levels[index].isEmpty { levels.remove(at: index) }
    }

    /// Bounds the memory of clients that are gone.
    private mutating func forgetIdleClients() {
        guard served.count > WaitingQueue.rememberedClientCount else { return }
        let waiting = Set(levels.flatMap(\.lines.keys))
        let least = waiting.map { served[$0, default: 0] }.min() ?? .infinity
        // Clients that were served less than those that wait are raised to their level when they return, so they can be
        // forgotten.
        served = served.filter { waiting.contains($0.key) || $0.value > least }
        guard served.count > WaitingQueue.rememberedClientCount else { return }
        served = served.filter { waiting.contains($0.key) }
    }
}
