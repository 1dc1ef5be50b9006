internal import Inference
internal import JSONCore
internal import Synchronization

/// The running sequences of one model, in the places that llama.cpp's server calls slots.
///
/// A sequence takes the lowest free slot when it comes; one that finds none waits and takes the first that becomes
/// free. The board is kept from the requests' events and asks the engine nothing, so it may differ from the engine's
/// state for a moment.
final class SlotBoard: Sendable {
    /// A sequence's place on the board.
    struct Ticket: Sendable, Hashable {
        fileprivate let number: Int
    }

    struct Entry: Sendable {
        let taskID: Int
        /// The settings of the request, as llama.cpp shows them.
        let parameters: JSON
        let promptTokenCount: Int
        /// `nil`: no limit.
        let maxTokens: Int?
        var decodedCount = 0
        var hasNewLine = false
    }

    private struct State {
        var nextNumber = 0
        var nextTaskID = 0
        var entries: [Int: Entry] = [:]
        /// The sequence in each slot, and the last one that was there.
        var slots: [Int?]
        var previous: [Entry?]
        var slotOf: [Int: Int] = [:]
        var waiting: [Int] = []
    }

    private let state: Mutex<State>

    init(slotCount: Int) {
        state = Mutex(
            State(
                slots: [Int?](repeating: nil, count: slotCount), previous: [Entry?](repeating: nil, count: slotCount)))
    }

    /// Gives the sequences of a job their slots.
    func enter(_ job: GenerationJob) -> [Ticket] {
        let parameters = job.settingsJSON(seed: job.sampling.seed)
        return state.withLock { state in
            let taskID = state.nextTaskID
            state.nextTaskID += 1
            return (0..<job.totalChoiceCount).map { choice in
                let number = state.nextNumber
                state.nextNumber += 1
                state.entries[number] = Entry(
                    taskID: taskID, parameters: parameters,
                    promptTokenCount: job.prompts[choice / max(job.choiceCount, 1)].count, maxTokens: job.maxTokens)
                if let slot = state.slots.firstIndex(of: nil) {
                    state.slots[slot] = number
                    state.slotOf[number] = slot
                } else {
                    state.waiting.append(number)
                }
                return Ticket(number: number)
            }
        }
    }

    /// Counts the tokens that a sequence has got.
    func advance(_ ticket: Ticket, tokenCount: Int, text: String) {
        let hasNewLine = text.utf8.contains(UInt8(ascii: "\n"))
        state.withLock { state in
            state.entries[ticket.number]?.decodedCount += tokenCount
            if hasNewLine { state.entries[ticket.number]?.hasNewLine = true }
        }
    }

    /// Frees the slot of a sequence that has ended. A second call for the same sequence changes nothing.
    func leave(_ ticket: Ticket) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: ticket.number) else { return }
            guard let slot = state.slotOf.removeValue(forKey: ticket.number) else {
                state.waiting.removeAll { $0 == ticket.number }
                return
            }
            state.previous[slot] = entry
            let next = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
            state.slots[slot] = next
            if let next { state.slotOf[next] = slot }
        }
    }

    /// Each slot's sequence, or the last one that was there.
    var slots: [(entry: Entry?, isProcessing: Bool)] {
        state.withLock { state in
            state.slots.indices.map { slot in
                guard let number = state.slots[slot], let entry = state.entries[number] else {
                    return (state.previous[slot], false)
                }
                return (entry, true)
            }
        }
    }
}

extension SlotBoard.Entry {
    /// What llama.cpp's `/slots` shows of a task besides the slot itself.
    func members(isProcessing: Bool) -> [JSON.Member] {
        let remaining = maxTokens.map { max($0 - decodedCount, 0) } ?? -1
        return [
            JSON.Member(key: "id_task", value: .int(taskID)),
            JSON.Member(key: "n_prompt_tokens", value: .int(promptTokenCount)),
            JSON.Member(key: "n_past", value: .int(promptTokenCount + decodedCount)),
            JSON.Member(key: "params", value: parameters),
            JSON.Member(
                key: "next_token",
                value: [
                    [
                        "has_next_token": .bool(isProcessing), "has_new_line": .bool(hasNewLine),
                        "n_remain": .int(remaining), "n_decoded": .int(decodedCount),
                    ]
                ]),
        ]
    }
}

/// The boards of a server's models.
final class SlotBoards: Sendable {
    private let boards = Mutex<[String: SlotBoard]>([:])

    func board(of model: ServedModel) -> SlotBoard {
        boards.withLock { boards in
            if let board = boards[model.name] { return board }
            let board = SlotBoard(slotCount: model.sequenceCount)
            boards[model.name] = board
            return board
        }
    }
}
