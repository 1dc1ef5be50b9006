internal import Inference
internal import JSONCore
internal import Tokenization

/// The tool that a chat offers the model and the server runs by itself: `{"type": "search"}` in `tools`, or `file_search` as
/// OpenAI's Responses API has it.
struct SearchTool: Sendable, Equatable {
    static let name = "search"
    static let types = ["search", "file_search"]

    /// Names of collections; empty: the server's first.
    let collections: [String]
    /// How searches are done; the model gives the query.
    let request: SearchRequest
    /// Rounds of calls that are answered; then the model has to answer itself.
    let maximumRoundCount: Int

    /// - Parameter tool: its settings beside `type`, or in a member that is called as the type is.
    init(_ tool: RequestFields) throws(APIError) {
        let settings = try tool.object(try tool.string("type") ?? SearchTool.name) ?? tool
        var names: [String] = []
        for key in ["collection", "collections", "vector_store_ids"] {
            for name in try settings.strings(key, atMost: 64) ?? [] where !names.contains(name) { names.append(name) }
        }
        collections = names
        try settings.refuse(["filters", "ranking_options"], because: "write the condition in `where`")
        var request = try SearchEndpoints.request("", settings)
        request.count = try settings.int(["top_k", "max_num_results", "limit"], in: 1...50) ?? 5
        request.isQuestion = true
        self.request = request
        maximumRoundCount = try settings.int("max_rounds", in: 1...16) ?? 4
    }

    /// As templates take tools.
    var function: JSON {
        [
            "type": "function",
            "function": [
                "name": .string(SearchTool.name),
                "description": """
                Searches the user's documents for passages about a query. Use it before answering questions that the \
                documents may answer. Passages are numbered; cite them in the answer as [1].
                """,
                "parameters": [
                    "type": "object",
                    "properties": [
                        "query": [
                            "type": "string", "description": "What to look for, in a few words or as a question.",
                        ]
                    ],
                    "required": ["query"], "additionalProperties": false,
                ],
            ],
        ]
    }

    /// The query of a call; `nil` where the model gives none.
    static func query(_ call: ToolCall) -> String? {
        guard let root = try? JSONDocument(parsing: call.arguments, source: "arguments").root,
            let query = root["query"]?.string, query.contains(where: { !$0.isWhitespace }),
            query.utf8.count <= SearchEndpoints.maximumQueryByteCount
        else { return nil }
        return query
    }
}

/// A passage that was found in the course of a chat, under the number by which the answer cites it.
struct NumberedPassage: Sendable {
    let number: Int
    let collection: String
    /// The query that found it first.
    let query: String
    let result: SearchResult

    /// The document, or the line of one, and the headings.
    var title: String {
        ([result.id == result.path ? result.path : result.id] + result.headings).joined(separator: " › ")
    }

    func json(isCited: Bool) -> JSON {
        var json = result.json()
        json["number"] = .int(number)
        json["collection"] = .string(collection)
        json["query"] = .string(query)
        json["cited"] = .bool(isCited)
        return json
    }
}

/// The passages of a chat.
struct PassageList: Sendable {
    private(set) var passages: [NumberedPassage] = []

    /// Numbers passages; one that is known keeps its number.
    mutating func add(_ results: [(collection: String, result: SearchResult)], query: String) -> [NumberedPassage] {
        results.map { collection, result in
            let known = passages.first {
                $0.collection == collection && $0.result.id == result.id && $0.result.byteRange == result.byteRange
            }
            if let known { return known }
            let passage = NumberedPassage(
                number: passages.count + 1, collection: collection, query: query, result: result)
            passages.append(passage)
            return passage
        }
    }

    /// Where a text cites passages by `[1]`, `[1][2]` or `[1, 2]`: places in Unicode scalars, as Python counts characters.
    func citations(in text: String) -> [(range: Range<Int>, passage: NumberedPassage)] {
        let scalars = Array(text.unicodeScalars)
        var found: [(range: Range<Int>, passage: NumberedPassage)] = []
        var open: Int?
        for (index, scalar) in scalars.enumerated() {
            if scalar == "[" {
                open = index
            } else if scalar == "]", let start = open {
                let range = start..<index + 1
                let inside = String(String.UnicodeScalarView(scalars[start + 1..<index]))
                let parts = inside.split { $0 == "," || $0 == ";" || $0 == " " }
                for number in parts.compactMap({ Int($0) }) {
                    guard let passage = passages.first(where: { $0.number == number }) else { continue }
                    found.append((range, passage))
                }
                open = nil
            } else if !("0"..."9").contains(scalar), scalar != ",", scalar != ";", scalar != " " {
                open = nil
            }
        }
        return found
    }
}

/// Texts of documents as a model gets to see them.
struct PassageText: Sendable {
    private let controlTokens: [String]

    init(_ tokenizer: Tokenizer?) {
        let tokens = tokenizer?.addedTokens.values.filter { tokenizer?.isSpecial($0.id) ?? false }.map(\.content) ?? []
        controlTokens = tokens.filter { $0.utf8.count > 1 }.sorted { $0.utf8.count > $1.utf8.count }
    }

    /// A tool's answer with numbered passages. No document can spell a control token and speak as somebody else.
    func message(_ passages: [NumberedPassage]) -> String {
        guard !passages.isEmpty else { return "No passage has to do with this query." }
        let list = passages.map { "[\($0.number)] \(harmless($0.title))\n\(harmless($0.result.text))" }
        return list.joined(separator: "\n\n")
            + "\n\nAnswer from these passages and cite them by their numbers in brackets, as [\(passages[0].number)]."
    }

    private func harmless(_ text: String) -> String {
        var text = text
        for token in controlTokens where text.contains(token) {
            let first = token.startIndex
            text.replace(token, with: "\(token[first]) \(token[token.index(after: first)...])")
        }
        return text
    }
}
