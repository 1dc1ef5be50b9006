internal import CPCRE2

/// A compiled regular expression in the dialect of `tokenizer.json` (Oniguruma's), run by PCRE2 with its JIT.
///
/// Matching is bounded in steps, memory and time: a pattern that would run for minutes ends in
/// ``TokenizationError/patternTooCostly(pattern:reason:)``.
// SAFETY: a compiled pattern is read-only after init (the PCRE2 documentation, "Multithreading"); all that a match
// writes to is made anew in `forEachMatch`.
public final class RegexPattern: @unchecked Sendable {
    /// The pattern as written.
    public let source: String
    private let code: OpaquePointer

    /// How long all matches over one text may take together.
    private static let timeLimitInSeconds = 20.0

    /// - Throws: ``TokenizationError/invalidPattern(pattern:offset:reason:)``.
    public init(_ source: String) throws {
        self.source = source
        let translated = try OnigurumaTranslation.translate(source)
        var errorCode: Int32 = 0
        var errorOffset = 0
        let options = UInt32(PCRE2_UTF) | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C
        let compiled = translated.withUnsafeBufferPointer {
            pcre2_compile_8($0.baseAddress, $0.count, options, &errorCode, &errorOffset, nil)
        }
        guard let compiled else {
            throw TokenizationError.invalidPattern(
                pattern: source, offset: errorOffset, reason: RegexPattern.message(errorCode))
        }
        code = compiled
        // Without a JIT for this processor the interpreter runs the pattern: slower, with the same result.
        _ = pcre2_jit_compile_8(compiled, UInt32(PCRE2_JIT_COMPLETE))
    }

    deinit {
        pcre2_code_free_8(code)
    }

    /// Calls `body` with each match in well-formed UTF-8, as ``TextPattern`` finds them.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    package func forEachMatch(in text: [UInt8], _ body: (Range<Int>) -> Void) throws {
        try text.withUnsafeBufferPointer { try forEachMatch(in: $0, body) }
    }

    /// Calls `body` with each match in turn, as byte ranges. An empty match directly after a match is left out, and an
    /// empty text has no match.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    func forEachMatch(in text: ByteBuffer, _ body: (Range<Int>) -> Void) throws {
        guard let base = text.baseAddress, !text.isEmpty else { return }
        guard let matchData = pcre2_match_data_create_from_pattern_8(code, nil),
            let context = pcre2_match_context_create_8(nil),
            let stack = pcre2_jit_stack_create_8(32 << 10, 4 << 20, nil)
        else { throw TokenizationError.patternTooCostly(pattern: source, reason: "out of memory") }
        defer {
            pcre2_match_data_free_8(matchData)
            pcre2_match_context_free_8(context)
            pcre2_jit_stack_free_8(stack)
        }
        pcre2_set_match_limit_8(context, UInt32(clamping: max(10_000_000, text.count * 16)))
        pcre2_set_heap_limit_8(context, 256 << 10)
        pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack))
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(RegexPattern.timeLimitInSeconds)
        var position = 0
        var lastEnd: Int?
        var matchCount = 0
        while position <= text.count {
            matchCount += 1
            if matchCount % 64 == 0, clock.now > deadline {
                throw TokenizationError.patternTooCostly(
                    pattern: source, reason: "it ran for more than \(Int(RegexPattern.timeLimitInSeconds)) s")
            }
            let outcome = pcre2_match_8(
                code, base, text.count, position, UInt32(PCRE2_NO_UTF_CHECK), matchData, context)
            if outcome == PCRE2_ERROR_NOMATCH { return }
            guard outcome >= 0, let vector = pcre2_get_ovector_pointer_8(matchData) else {
                throw TokenizationError.patternTooCostly(pattern: source, reason: RegexPattern.message(outcome))
            }
            let (start, end) = (vector[0], vector[1])
            // A lookbehind with \K can put the start behind the end.
            guard start <= end, end >= position else { return }
            if start == end, lastEnd == end {
                guard position < text.count else { return }
                position += UTF8Text.decode(text, at: position).length
                continue
            }
            position = end
            lastEnd = end
            body(start..<end)
        }
    }

    private static func message(_ code: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let length = pcre2_get_error_message_8(code, &buffer, buffer.count)
        return length < 0 ? "error \(code)" : String(decoding: buffer.prefix(Int(length)), as: UTF8.self)
    }
}
