internal import Inference
internal import JSONCore

/// Tokens with their log-probabilities, in the forms of the APIs.
enum Logprobs {
    /// JSON has no infinity. Other servers write this number for a token that is impossible.
    private static let impossible = -9999.0

    private static func number(_ value: Double) -> JSON { .double(value.isFinite ? value : impossible) }

    /// OpenAI's chat API: the token, its exact bytes, and its alternatives.
    static func chat(_ entries: [TokenLogProbability]) -> JSON {
        func shown(_ entry: TokenLogProbability) -> JSON {
            [
                "token": .string(String(decoding: entry.bytes, as: UTF8.self)),
                "logprob": number(entry.logProbability), "bytes": .array(entry.bytes.map { .int(Int($0)) }),
            ]
        }
        return .array(
            entries.map { entry in
                var json = shown(entry)
                json["top_logprobs"] = .array(entry.alternatives.map(shown))
                return json
            })
    }

    /// llama.cpp's `completion_probabilities`.
    static func native(_ entries: [TokenLogProbability]) -> JSON {
        func shown(_ entry: TokenLogProbability) -> JSON {
            [
                "id": .int(entry.token), "token": .string(String(decoding: entry.bytes, as: UTF8.self)),
                "bytes": .array(entry.bytes.map { .int(Int($0)) }), "logprob": number(entry.logProbability),
            ]
        }
        return .array(
            entries.map { entry in
                var json = shown(entry)
                json["top_logprobs"] = .array(entry.alternatives.map(shown))
                return json
            })
    }

    /// The columns of OpenAI's completions API. Offsets count characters as Unicode scalars.
    struct Columns {
        private var tokens: [JSON] = []
        private var values: [JSON] = []
        private var alternatives: [JSON] = []
        private var offsets: [JSON] = []
        private var offset: Int

        init(offset: Int = 0) { self.offset = offset }

        /// The first token of a prompt has no log-probability, since nothing predicts it.
        mutating func addFirst(_ bytes: [UInt8]) { add(bytes, .null, .null) }

        mutating func add(_ entries: [TokenLogProbability]) {
            for entry in entries {
                var shown: JSON = .object([])
                // Several tokens may spell the same text; the likeliest comes first and stays.
                for other in entry.alternatives + [entry] where shown[Columns.spelling(other.bytes)] == nil {
                    shown[Columns.spelling(other.bytes)] = Logprobs.number(other.logProbability)
                }
                add(entry.bytes, Logprobs.number(entry.logProbability), shown)
            }
        }

        private mutating func add(_ bytes: [UInt8], _ value: JSON, _ others: JSON) {
            tokens.append(.string(Columns.spelling(bytes)))
            values.append(value)
            alternatives.append(others)
            offsets.append(.int(offset))
            // Only the first byte of a character counts, so that a character whose bytes lie in several tokens counts
            // once.
            offset += bytes.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
        }

        var json: JSON {
            [
                "tokens": .array(tokens), "token_logprobs": .array(values), "top_logprobs": .array(alternatives),
                "text_offset": .array(offsets),
            ]
        }

        /// A token's text, or its bytes where it is only a part of a character.
        private static func spelling(_ bytes: [UInt8]) -> String {
            if let text = String(validating: bytes, as: UTF8.self) { return text }
            return "bytes:"
                + bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}
