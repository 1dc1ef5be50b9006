/// The key of a document, compared byte for byte. Swift's strings are equal where they look alike, but an "é" of one code
/// point and one of two name two files.
public struct DocumentKey: Hashable, Sendable {
    public let text: String

    public init(_ text: String) { self.text = text }

    public static func == (left: DocumentKey, right: DocumentKey) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
