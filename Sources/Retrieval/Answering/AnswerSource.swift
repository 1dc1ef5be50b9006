/// A passage of a document that an answer may cite, with the number by which the answer cites it.
public struct AnswerSource: Sendable, Hashable {
    /// From 1 on, in the order of the search.
    public var number: Int
    /// The document's key, as ``StoredDocument`` has it.
    public var key: String
    public var path: String
    /// The passage's bytes in the document's file.
    public var byteRange: Range<Int>
    /// Lines of the file, from 1 on; `nil` where the file has none, or is no longer what was indexed.
    public var lines: ClosedRange<Int>?
    /// The headings above it, outermost first.
    public var headings: [String]
    public var text: String
    /// The search's score; the higher, the better.
    public var score: Double

    public init(
        number: Int, key: String, path: String, byteRange: Range<Int>, lines: ClosedRange<Int>? = nil,
        headings: [String] = [], text: String, score: Double = 0
    ) {
        self.number = number
        self.key = key
        self.path = path
        self.byteRange = byteRange
        self.lines = lines
        self.headings = headings
        self.text = text
        self.score = score
    }

    /// The name of the source in prompts and lists: its path, or the `id` of its JSON line, and the headings.
    public var title: String {
        ([key == path ? path : key] + headings).joined(separator: " › ")
    }
}
