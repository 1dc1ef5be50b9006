internal import ModelIO
internal import TensorCore

/// Reads files of word vectors: word2vec's text (`count dimensions`, then a word and its numbers a line) and binary (the same
/// head, then a word, a blank, and its FP32 numbers), and GloVe's text, which has no head. Files come from strangers: what
/// they say of their size is held against their length before anything is allocated.
struct WordVectorReader {
    struct Content {
        var dimensions: Int
        var words: [String]
        var memory: HostBytes
        /// Where each word's vector begins in `memory`, FP32 in little-endian order.
        var offsets: [Int]
    }

    private let file: MappedFile
    private let bytes: UnsafeRawBufferPointer
    private static let space = UInt8(ascii: " ")
    private static let newline = UInt8(ascii: "\n")
    /// Longer lines are not divided: what is no file of word vectors may be one line.
    private static let maximumLineByteCount = WordVectors.maximumDimensions * 40 + WordVectors.maximumWordByteCount

    init(_ file: MappedFile) {
        self.file = file
        bytes = file.pointer
    }

    /// The head of word2vec's formats: how many words and numbers there are, and where the first word begins.
    var header: (count: Int, dimensions: Int, end: Int)? {
        guard let end = bytes.prefix(64).firstIndex(of: WordVectorReader.newline) else { return nil }
        let parts = fields(0..<end)
        guard parts.count == 2, let count = integer(parts[0]), let dimensions = integer(parts[1]) else { return nil }
        return (count, dimensions, end + 1)
    }

    /// Whether the beginning is that of a file of word vectors.
    var looksRight: Bool { header != nil || (try? gloveDimensions()) ?? 0 > 1 }

    /// - Throws: `LoadError.invalidFile`.
    func read() throws -> Content {
        guard let header else {
            let dimensions = try gloveDimensions()
            return try readText(from: 0, dimensions: dimensions, count: nil)
        }
        guard (1...WordVectors.maximumDimensions).contains(header.dimensions), header.count > 0 else {
            throw invalid(
                "says it has \(header.count) vectors of \(header.dimensions) numbers, expected at least one of 1 to "
                    + "\(WordVectors.maximumDimensions)")
        }
        if isText(at: header.end, dimensions: header.dimensions) {
            return try readText(from: header.end, dimensions: header.dimensions, count: header.count)
        }
        return try readBinary(header.count, header.dimensions, from: header.end)
    }

    // MARK: Text

    /// Whether a line of numbers follows; a binary vector hardly ever looks so.
    private func isText(at start: Int, dimensions: Int) -> Bool {
        let line = line(from: start)
        guard line.count <= WordVectorReader.maximumLineByteCount else { return false }
        let parts = fields(line)
        return parts.count > dimensions && parts.suffix(dimensions).allSatisfy { DecimalNumber.parse(bytes, $0) != nil }
    }

    /// The numbers at the end of the first line.
    private func gloveDimensions() throws -> Int {
        let start = bytes.firstIndex { !WordVectorReader.isBlank($0) && $0 != WordVectorReader.newline } ?? bytes.count
        let first = line(from: start)
        let parts = first.count <= WordVectorReader.maximumLineByteCount ? fields(first) : []
        let count = parts.dropFirst().reversed().prefix { DecimalNumber.parse(bytes, $0) != nil }.count
        guard (1...WordVectors.maximumDimensions).contains(count) else {
            throw invalid(
                "its first line is no word with 1 to \(WordVectors.maximumDimensions) numbers (GloVe), and no count of "
                    + "words and numbers (word2vec)")
        }
        return count
    }

    /// - Parameter count: of words, where the file says it.
    private func readText(from start: Int, dimensions: Int, count: Int?) throws -> Content {
        let lineCount = lines(from: start)
        if let count, count != lineCount {
            throw invalid("says it has \(count) words, and \(lineCount) lines follow; it is cut off or damaged")
        }
        // A number takes a digit and a blank, so that no more is allocated than twice the file's length.
        let (numbers, overflow) = lineCount.multipliedReportingOverflow(by: dimensions)
        guard !overflow, numbers <= bytes.count / 2 else {
            throw invalid("its \(lineCount) lines are too short for \(dimensions) numbers each")
        }
        let values = HostAllocation(byteCount: numbers * 4)
        var words: [String] = []
        words.reserveCapacity(lineCount)
        var offsets: [Int] = []
        offsets.reserveCapacity(lineCount)
        var (position, number) = (start, start == 0 ? 0 : 1)
        while position < bytes.count {
            let line = line(from: position)
            position = line.upperBound + 1
            number += 1
            guard line.count <= WordVectorReader.maximumLineByteCount else {
                throw invalid("line \(number) has \(line.count) bytes, which is no word with its numbers")
            }
            let parts = fields(line)
            guard !parts.isEmpty else { continue }
            guard parts.count > dimensions else {
                throw invalid("line \(number) has \(parts.count) fields, expected a word and \(dimensions) numbers")
            }
            let offset = words.count * dimensions * 4
            for (column, part) in parts.suffix(dimensions).enumerated() {
                guard let value = DecimalNumber.parse(bytes, part), value.isFinite else {
                    throw invalid("line \(number): number \(column + 1) is none, or too large")
                }
                values.pointer.storeBytes(
                    of: value.bitPattern.littleEndian, toByteOffset: offset + 4 * column, as: UInt32.self)
            }
            // GloVe has words with blanks inside.
            let wordEnd = parts[parts.count - dimensions - 1].upperBound
            words.append(try word(parts[0].lowerBound..<wordEnd, "line \(number)"))
            offsets.append(offset)
        }
        file.discard(bytes)
        return Content(dimensions: dimensions, words: words, memory: values.bytes, offsets: offsets)
    }

    /// The line that begins at `start`, without its end.
    private func line(from start: Int) -> Range<Int> {
        let end = bytes[start...].firstIndex(of: WordVectorReader.newline) ?? bytes.count
        return start..<end
    }

    /// Lines that hold something.
    private func lines(from start: Int) -> Int {
        var (count, isBlank) = (0, true)
        for byte in bytes[start...] {
            if byte == WordVectorReader.newline {
                if !isBlank { count += 1 }
                isBlank = true
            } else if !WordVectorReader.isBlank(byte) {
                isBlank = false
            }
        }
        return isBlank ? count : count + 1
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

    /// What blanks divide.
    private func fields(_ range: Range<Int>) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var start: Int?
        for index in range {
            if WordVectorReader.isBlank(bytes[index]) {
                if let first = start { parts.append(first..<index) }
                start = nil
            } else if start == nil {
                start = index
            }
        }
        if let first = start { parts.append(first..<range.upperBound) }
        return parts
    }

    private func integer(_ range: Range<Int>) -> Int? {
        guard range.count <= 15, range.allSatisfy({ (0x30...0x39).contains(bytes[$0]) }) else { return nil }
        return range.reduce(0) { $0 * 10 + Int(bytes[$1] - 0x30) }
    }

    // MARK: Binary

    private func readBinary(_ count: Int, _ dimensions: Int, from start: Int) throws -> Content {
        let vectorByteCount = dimensions * 4
        // A word takes at least its blank.
        let (least, overflow) = count.multipliedReportingOverflow(by: vectorByteCount + 1)
        guard !overflow, least <= bytes.count - start else {
            throw invalid(
                "says it has \(count) vectors of \(dimensions) numbers, and \(bytes.count - start) bytes follow; it is "
                    + "cut off or damaged")
        }
        var words: [String] = []
        words.reserveCapacity(count)
        var offsets: [Int] = []
        offsets.reserveCapacity(count)
        var position = start
        for number in 1...count {
            // word2vec ends each vector with a line's end, other programs do not.
            while position < bytes.count, bytes[position] == WordVectorReader.newline { position += 1 }
            let limit = min(position + WordVectors.maximumWordByteCount, bytes.count)
            guard let end = bytes[position..<limit].firstIndex(of: WordVectorReader.space) else {
                throw invalid("word \(number) has no end; the file is cut off or damaged")
            }
            words.append(try word(position..<end, "word \(number)"))
            position = end + 1
            guard bytes.count - position >= vectorByteCount else {
                throw invalid("the vector of word \(number) of \(count) is cut off")
            }
            for column in 0..<dimensions {
                let bits = bytes.loadUnaligned(fromByteOffset: position + 4 * column, as: UInt32.self)
                guard Float(bitPattern: UInt32(littleEndian: bits)).isFinite else {
                    throw invalid("the vector of word \(number) of \(count) holds a number that is not finite")
                }
            }
            offsets.append(position)
            position += vectorByteCount
        }
        return Content(
            dimensions: dimensions, words: words, memory: file.bytes(0..<bytes.count), offsets: offsets)
    }

    private func word(_ range: Range<Int>, _ place: String) throws -> String {
        guard range.count <= WordVectors.maximumWordByteCount else {
            throw invalid(
                "\(place): a word of \(range.count) bytes, at most \(WordVectors.maximumWordByteCount) are taken")
        }
        return String(decoding: bytes[range], as: UTF8.self)
    }

    private func invalid(_ reason: String) -> LoadError { .invalidFile(path: file.path, reason: reason) }
}

/// Decimal numbers in bytes.
enum DecimalNumber {
    private static let powers: [Double] = (0...22).map { exponent in
        (0..<exponent).reduce(1.0) { power, _ in power * 10 }
    }

    /// The number that the bytes spell; `nil` where they are none.
    static func parse(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Float? {
        var index = range.lowerBound
        let isNegative = index < range.upperBound && bytes[index] == UInt8(ascii: "-")
        if index < range.upperBound, isNegative || bytes[index] == UInt8(ascii: "+") { index += 1 }
        var (mantissa, digitCount, scale) = (UInt64(0), 0, 0)
        var (hasPoint, hasDigits) = (false, false)
        while index < range.upperBound {
            let byte = bytes[index]
            if byte == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else if (0x30...0x39).contains(byte) {
                hasDigits = true
                if digitCount < 18 {
                    mantissa = mantissa * 10 + UInt64(byte - 0x30)
                    if mantissa > 0 { digitCount += 1 }
                    if hasPoint { scale -= 1 }
                } else {
                    return spelled(bytes, range)
                }
            } else {
                break
            }
            index += 1
        }
        guard hasDigits else { return nil }
        // An exponent, or nothing that belongs to a number.
        guard index == range.upperBound, mantissa <= 1 << 53, scale >= -22 else { return spelled(bytes, range) }
        // Both are exact, so the quotient is the nearest number. (Clinger, 1990)
        let value = Double(mantissa) / powers[-scale]
        return Float(isNegative ? -value : value)
    }

    private static func spelled(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Float? {
        guard range.count <= 64, let first = range.first, bytes[first] != UInt8(ascii: "n"),
            range.allSatisfy({ "0123456789+-.eE".utf8.contains(bytes[$0]) })
        else { return nil }
        return Double(String(decoding: bytes[range], as: UTF8.self)).map { Float($0) }
    }
}
