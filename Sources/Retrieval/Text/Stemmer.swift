internal import CSnowball
import Synchronization

/// Brings the forms of a word to one stem, by Snowball's rules for a language (Porter, 2001, "Snowball: a language for stemming
/// algorithms"), which Debian's libstemmer carries.
public final class Stemmer: Sendable, Hashable {
    /// Snowball's name of the language.
    public let language: String
    /// The stemmer keeps its last stem, so one thread uses it at a time.
    private let handle: Mutex<Handle>

    /// - Parameter language: such as `english`, `german` or `porter` (the algorithm of 1980).
    /// - Throws: ``RetrievalError`` for an unknown language, and where the library is not installed.
    public init(language: String) throws {
        if let reason = snowball_missing_reason() {
            throw RetrievalError.stemmersMissing(language: language, reason: String(cString: reason))
        }
        let known = Stemmer.languages
        guard known.contains(language), let handle = Handle(language) else {
            throw RetrievalError.invalidParameter(
                name: "--stemmer", value: language, expected: known.joined(separator: ", "))
        }
        self.language = language
        self.handle = Mutex(handle)
    }

    /// The languages that the library knows; none where it is not installed.
    public static var languages: [String] {
        guard var name = snowball_languages() else { return [] }
        var names: [String] = []
        while let next = name.pointee {
            names.append(String(cString: next))
            name += 1
        }
        return names.sorted()
    }

    /// The stem of a word in lower case.
    public func stem(_ word: String) -> String {
        var word = word
        return handle.withLock { handle in word.withUTF8 { handle.stem($0) } } ?? word
    }

    public static func == (first: Stemmer, second: Stemmer) -> Bool { first.language == second.language }

    public func hash(into hasher: inout Hasher) { hasher.combine(language) }

    /// Owns the library's object.
    private struct Handle: ~Copyable {
        private let stemmer: OpaquePointer

        init?(_ language: String) {
            guard let stemmer = snowball_create(language) else { return nil }
            self.stemmer = stemmer
        }

        deinit { snowball_destroy(stemmer) }

        /// `nil` for words that are too long for the library.
        func stem(_ word: UnsafeBufferPointer<UInt8>) -> String? {
            var count: Int32 = 0
            guard let size = Int32(exactly: word.count), let base = word.baseAddress,
                let bytes = snowball_stem(stemmer, base, size, &count)
            else { return nil }
            return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
        }
    }
}
