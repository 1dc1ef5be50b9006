/// Where a piece of rewritten text came from: scalars of the text as it was given.
struct TextPlace: Sendable, Equatable {
    var start: Int32
    var end: Int32
}

/// A text on its way through the normalizers that remembers where each of its bytes came from, as the alignments of
/// Hugging Face's `tokenizers` do: what replaces a character stands where that stood, what is inserted stands where the
/// character before it stands.
struct AlignedText {
    private(set) var bytes: [UInt8]
    /// As many as bytes; the bytes of one character share theirs.
    private(set) var places: [TextPlace]

    init(bytes: [UInt8], places: [TextPlace]) {
        self.bytes = bytes
        self.places = places
    }

    /// Each byte at the place of its own character.
    /// - Parameter firstScalar: scalars before `text` in the text as it was given.
    init(_ text: ByteBuffer, firstScalar: Int) {
        bytes = Array(text)
        places = []
        places.reserveCapacity(text.count)
        var scalar = Int32(truncatingIfNeeded: firstScalar) - 1
        for byte in text {
            if byte & 0xC0 != 0x80 { scalar += 1 }
            places.append(TextPlace(start: scalar, end: scalar + 1))
        }
    }

    // MARK: Rewriting

    /// Rewrites the text piece by piece.
    /// - Parameters:
    ///   - end: where the piece that starts at an index ends.
    ///   - rewrite: what a piece becomes.
    ///   - origin: which scalar of the piece a scalar of the result came from, by the result's index and both counts.
    mutating func rewritePieces(
        end: (ByteBuffer, Int) -> Int, rewrite: (inout [UInt8]) throws -> Void,
        origin: (_ index: Int, _ oldCount: Int, _ newCount: Int) -> Int = { index, old, _ in min(index, old - 1) }
    ) rethrows {
        var output = AlignedText(bytes: [], places: [])
        output.bytes.reserveCapacity(bytes.count)
        output.places.reserveCapacity(bytes.count)
        try bytes.withUnsafeBufferPointer { text in
            var start = 0
            while start < text.count {
                let end = max(end(text, start), start + 1)
                var piece = Array(text[start..<end])
                try rewrite(&piece)
                output.append(piece, from: text[start..<end], places[start..<end], origin: origin)
                start = end
            }
        }
        self = output
    }

    private mutating func append(
        _ piece: [UInt8], from old: Slice<ByteBuffer>, _ oldPlaces: ArraySlice<TextPlace>,
        origin: (Int, Int, Int) -> Int
    ) {
        bytes += piece
        if old.elementsEqual(piece) {
            places += oldPlaces
            return
        }
        let origins = zip(old, oldPlaces).filter { $0.0 & 0xC0 != 0x80 }.map(\.1)
        let newCount = piece.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
        var index = -1
        for byte in piece {
            if byte & 0xC0 != 0x80 { index += 1 }
            let place = origin(max(index, 0), origins.count, newCount)
            places.append(origins.indices.contains(place) ? origins[place] : TextPlace(start: 0, end: 0))
        }
    }

    /// Rewrites what looks at one scalar at a time. Runs of printable ASCII, where nothing is inserted or removed, go
    /// through at once.
    mutating func rewriteScalars(_ rewrite: (inout [UInt8]) -> Void) {
        rewritePieces(end: { AlignedText.endOfScalarPiece($0, $1) }, rewrite: rewrite)
    }

    static func endOfScalarPiece(_ text: ByteBuffer, _ start: Int) -> Int {
        var end = start
        while end < text.count, (0x20...0x7E).contains(text[end]) { end += 1 }
        return end > start ? end : start + UTF8Text.decode(text, at: start).length
    }

    /// Replaces every match; what replaces it stands where its last character stood.
    mutating func replace(_ pattern: TextPattern, with content: [UInt8]) throws {
        var output = AlignedText(bytes: [], places: [])
        var position = 0
        try bytes.withUnsafeBufferPointer { text in
            try pattern.forEachMatch(in: text) { match in
                output.bytes += text[position..<match.lowerBound]
                output.places += places[position..<match.lowerBound]
                output.bytes += content
                let place = match.upperBound > 0 ? places[match.upperBound - 1] : TextPlace(start: 0, end: 0)
                output.places += repeatElement(place, count: content.count)
                position = match.upperBound
            }
            output.bytes += text[position...]
            output.places += places[position...]
        }
        self = output
    }

    /// Puts a string before a text that is not empty; it stands where the first character stands.
    mutating func prepend(_ prefix: [UInt8]) {
        guard let first = places.first else { return }
        bytes.insert(contentsOf: prefix, at: 0)
        places.insert(contentsOf: repeatElement(first, count: prefix.count), at: 0)
    }

    mutating func keep(_ range: Range<Int>) {
        guard range != 0..<bytes.count else { return }
        bytes = Array(bytes[range])
        places = Array(places[range])
    }
}
