internal import Inference
internal import JSONCore

/// A chat in which the server answers the model's calls of the search tool by itself, round after round, until the model says
/// what it has to say or calls a tool of the client's.
struct SearchingChat: Sendable {
    let state: ServerState
    let model: ServedModel
    let client: String?
    let tool: SearchTool
    let collections: [any ServedCollection]
    let makeJob: @Sendable (ChatPrompt) throws -> GenerationJob

    /// Something that the answer says.
    enum Piece {
        case text(String)
        case reasoning(String)
        /// The number among the calls, and the call as the API shows it.
        case call(JSON)
    }

    /// - Parameter emit: is called with the pieces of the answer as they come.
    /// - Throws: `APIError`, and what the engine throws.
    func run(_ start: ChatPrompt, emit: (Piece) -> Void) async throws -> SearchedAnswer {
        var prompt = start
        var answer = SearchedAnswer()
        for round in 0...tool.maximumRoundCount {
            let isLast = round == tool.maximumRoundCount
            if round > 0 { prompt.tools.goOn(offersSearch: !isLast) }
            var job = try makeJob(prompt)
            job.maxTokens = job.maxTokens.map { max($0 - answer.usage.completionTokens, 1) }
            let running = try RunningJob(job, on: model, for: client, state: state)
            var blocks = AnswerBlocks(job.reading)
            var choice = ChoiceText()
            answer.beginRound()
            try await running.forEach { update in
                choice.take(update.update)
                var events = blocks.take(update.update.text)
                if update.update.result != nil { events += blocks.finish() }
                for event in events { for piece in answer.take(event, blocks) { emit(piece) } }
            }
            answer.endRound(choice, job)
            let searches = blocks.calls.filter { $0.call.name == SearchTool.name }
            guard !isLast, !searches.isEmpty, answer.calls.isEmpty, blocks.waitsForTools(choice.result) else { break }
            prompt.messages.append(blocks.templateMessage)
            for (id, call) in searches { try await append(call, id: id, to: &prompt, &answer.passages) }
        }
        return answer
    }

    /// Answers a call with as many passages as the context has room for.
    private func append(
        _ call: ToolCall, id: String, to prompt: inout ChatPrompt, _ passages: inout PassageList
    ) async throws {
        func message(_ text: String) -> JSON {
            ["role": "tool", "tool_call_id": .string(id), "name": .string(SearchTool.name), "content": .string(text)]
        }
        guard let query = SearchTool.query(call) else {
            prompt.messages.append(message("The call has no query; give one as {\"query\": \"…\"}."))
            return
        }
        var found = passages.add(try await results(query), query: query)
        let texts = PassageText(model.engine.tokenizer)
        let reserve = min(model.contextLength / 4, 512)
        let messages = prompt.messages
        while true {
            prompt.messages = messages + [message(texts.message(found))]
            if found.isEmpty { return }
            if try prompt.tokens(for: model).count + reserve <= model.contextLength { return }
            found.removeLast()
        }
    }

    /// The hits of all collections, those of equal ranks beside each other.
    private func results(_ query: String) async throws -> [(collection: String, result: SearchResult)] {
        var request = tool.request
        request.query = query
        var lists: [[(collection: String, result: SearchResult)]] = []
        for collection in collections {
            let answer = try await collection.search(request)
            lists.append(answer.results.map { (collection.name, $0) })
        }
        let ranked = (0..<request.count).flatMap { rank in lists.compactMap { rank < $0.count ? $0[rank] : nil } }
        return Array(ranked.prefix(request.count))
    }
}

/// What a chat with searches has come to.
struct SearchedAnswer: Sendable {
    private(set) var text = ""
    private(set) var reasoning = ""
    /// Calls of the client's own tools, as the API shows them.
    private(set) var calls: [JSON] = []
    private(set) var usage = UsageCount()
    private(set) var result: GenerationResult?
    var passages = PassageList()
    /// The text or reasoning of a further round begins with a blank line.
    private var textIsNew = false
    private var reasoningIsNew = false

    mutating func beginRound() {
        (textIsNew, reasoningIsNew) = (!text.isEmpty, !reasoning.isEmpty)
    }

    mutating func take(_ event: AnswerBlocks.Event, _ answer: AnswerBlocks) -> [SearchingChat.Piece] {
        switch event {
        case .begin(let place):
            guard case .call(_, let call) = answer.blocks[place], call.name != SearchTool.name,
                let shown = answer.blocks[place].chatCall()
            else { return [] }
            calls.append(shown)
            return answer.blocks[place].chatCall(index: calls.count - 1).map { [.call($0)] } ?? []
        case .delta(let place, let piece):
            switch answer.blocks[place] {
            case .text: return [.text(SearchedAnswer.add(piece, to: &text, &textIsNew))]
            case .reasoning: return [.reasoning(SearchedAnswer.add(piece, to: &reasoning, &reasoningIsNew))]
            case .call: return []
            }
        case .end: return []
        }
    }

    private static func add(_ piece: String, to text: inout String, _ isNew: inout Bool) -> String {
        let piece = isNew ? "\n\n" + piece : piece
        isNew = false
        text += piece
        return piece
    }

    mutating func endRound(_ choice: ChoiceText, _ job: GenerationJob) {
        let round = [choice].usage(promptTokenCounts: job.prompts.map(\.count))
        usage.promptTokens += round.promptTokens
        usage.completionTokens += round.completionTokens
        usage.cachedTokens += round.cachedTokens
        result = choice.result
    }

    var finishReason: String? {
        !calls.isEmpty && result?.finishReason == .stop ? "tool_calls" : result?.finishReason.rawValue
    }

    /// As OpenAI's API shows what an answer stands on.
    var annotations: JSON {
        .array(
            passages.citations(in: text).map { range, passage in
                [
                    "type": "url_citation",
                    "url_citation": [
                        "url": .string(passage.url), "title": .string(passage.title),
                        "start_index": .int(range.lowerBound), "end_index": .int(range.upperBound),
                        "number": .int(passage.number),
                    ],
                ]
            })
    }

    /// All passages that the model was given.
    var searchResults: JSON {
        let cited = Set(passages.citations(in: text).map(\.passage.number))
        return .array(passages.passages.map { $0.json(isCited: cited.contains($0.number)) })
    }
}
