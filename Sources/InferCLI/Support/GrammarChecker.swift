import CommandSupport
import Grammar
import Inference
import JSONCore
import Tokenization

/// What must never be: the masks say something else than the bytes.
struct GrammarMismatch: Error, CustomStringConvertible {
    let description: String
}

/// Follows texts through a grammar twice, by bytes and by the masks of their tokens, and measures the masks.
struct GrammarChecker {
    struct Verdict {
        var isAccepted: Bool
        /// Bytes before the first one that can not come; all of them where the text is not complete.
        var byteOffset: Int

        var json: JSON {
            .object([
                .init(key: "accepted", value: .bool(isAccepted)),
                .init(key: "at", value: isAccepted ? .null : .int(byteOffset)),
            ])
        }
    }

    let automaton: GrammarAutomaton
    let tokenizer: Tokenizer
    private(set) var maskSeconds: [Double] = []

    init(automaton: GrammarAutomaton, tokenizer: Tokenizer) {
        self.automaton = automaton
        self.tokenizer = tokenizer
    }

    /// - Throws: ``GrammarMismatch`` where bytes and tokens disagree, `GrammarError` where the grammar can not be followed.
    mutating func check(_ text: String) throws -> Verdict {
        let bytes = Array(text.utf8)
        var matcher = GrammarMatcher(automaton)
        let count = try matcher.accept(bytes: bytes)
        let verdict = Verdict(isAccepted: count == bytes.count && matcher.isComplete, byteOffset: count)
        guard let tokens = try tokens(of: text, bytes) else { return verdict }
        let place = try follow(tokens)
        let isComplete = place.offset == bytes.count && place.isComplete
        guard isComplete == verdict.isAccepted, place.offset <= verdict.byteOffset, verdict.byteOffset < place.end
        else {
            throw GrammarMismatch(
                description:
                    "bytes end at \(verdict.byteOffset) and tokens at \(place.offset) of the text '\(text.prefix(60))'")
        }
        return verdict
    }

    /// Where the token stands that its mask does not allow, and where it ends; at the end of the text, past it.
    private mutating func follow(_ tokens: [Int32]) throws -> (offset: Int, end: Int, isComplete: Bool) {
        var matcher = GrammarMatcher(automaton)
        var offset = 0
        for token in tokens {
            let mask = try measuredMask(matcher)
            let end = offset + automaton.vocabulary.bytes(of: token).count
            let isAllowed = mask.contains(Int(token))
            guard try matcher.accept(token) == isAllowed else {
                throw GrammarMismatch(description: "mask and matcher disagree on token \(token) at byte \(offset)")
            }
            guard isAllowed else { return (offset, end, false) }
            offset = end
        }
        let last = try measuredMask(matcher)
        let ends = automaton.vocabulary.endTokens
        let isComplete = ends.isEmpty ? matcher.isComplete : ends.allSatisfy { last.contains(Int($0)) }
        return (offset, offset + 1, isComplete)
    }

    private mutating func measuredMask(_ matcher: GrammarMatcher) throws -> TokenMask {
        let start = ContinuousClock.now
        let mask = try matcher.mask()
        maskSeconds.append((ContinuousClock.now - start).seconds)
        return mask
    }

    /// The tokens whose bytes are the text's: the tokenizer's, or, where that changes the text, the longest that fit.
    private func tokens(of text: String, _ bytes: [UInt8]) throws -> [Int32]? {
        let ids = try tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false).map { Int32($0) }
        let spelled = ids.flatMap { automaton.vocabulary.bytes(of: $0) }
        return spelled == bytes ? ids : automaton.vocabulary.longestMatches(bytes)
    }

    func printStatistics(compileSeconds: Double) {
        let statistics = SampleStatistics(maskSeconds)
        func microseconds(_ seconds: Double) -> JSON { .double((seconds * 1e8).rounded() / 100) }
        let report = JSON.object([
            .init(key: "compile_ms", value: .double((compileSeconds * 1e5).rounded() / 100)),
            .init(key: "mask_count", value: .int(maskSeconds.count)),
            .init(
                key: "mask_us",
                value: .object([
                    .init(key: "mean", value: microseconds(statistics.mean)),
                    .init(key: "p50", value: microseconds(statistics.median)),
                    .init(key: "p99", value: microseconds(statistics.percentile(99))),
                    .init(key: "max", value: microseconds(statistics.sorted.last ?? 0)),
                ])),
        ])
        StandardErrorLog.line(report.text)
    }
}
