internal import TensorCore

/// The entries of a zip file whose bytes are stored as they are, which is how PyTorch writes its files.
/// (PKWARE's APPNOTE 6.3: the central directory, zip64 included.)
struct ZipArchive {
    /// The longest list of entries that is read.
    private static let maximumEntryCount = 1 << 20

    let path: String
    /// Where each entry's bytes lie in the file.
    private(set) var entries: [String: Range<Int>] = [:]
    private let bytes: UnsafeRawBufferPointer

    /// - Parameter bytes: the whole file; used only here.
    /// - Throws: `LoadError.invalidFile`.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws {
        self.path = path
        self.bytes = bytes
        let directory = try findDirectory()
        var position = directory.range.lowerBound
        for _ in 0..<directory.entryCount {
            position = try readEntry(at: position, end: directory.range.upperBound)
        }
    }

    private func broken(_ reason: String) -> LoadError {
        .invalidFile(path: path, reason: "is a damaged zip file: \(reason)")
    }

    private func integer<Value: FixedWidthInteger>(_ type: Value.Type, at offset: Int) throws -> Int {
        guard offset >= 0, offset <= bytes.count - MemoryLayout<Value>.size else { throw broken("it ends too soon") }
        let value = Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
        guard let value = Int(exactly: value) else { throw broken("a number is out of range") }
        return value
    }

    // MARK: The directory

    private func findDirectory() throws -> (range: Range<Int>, entryCount: Int) {
        // The record that ends the file, behind which a comment of up to 64 KiB may stand.
        let first = max(bytes.count - 22 - 0xFFFF, 0)
        var position = bytes.count - 22
        while position >= first, try integer(UInt32.self, at: position) != 0x0605_4B50 { position -= 1 }
        guard position >= first else {
            throw LoadError.invalidFile(
                path: path, reason: "is no zip file; only what PyTorch 1.6 and later saves is read")
        }
        var entryCount = try integer(UInt16.self, at: position + 10)
        var byteCount = try integer(UInt32.self, at: position + 12)
        var offset = try integer(UInt32.self, at: position + 16)
        if entryCount == 0xFFFF || byteCount == 0xFFFF_FFFF || offset == 0xFFFF_FFFF {
            guard try integer(UInt32.self, at: position - 20) == 0x0706_4B50 else { throw broken("zip64 is missing") }
            let record = try integer(UInt64.self, at: position - 12)
            guard try integer(UInt32.self, at: record) == 0x0606_4B50 else { throw broken("zip64 is missing") }
            entryCount = try integer(UInt64.self, at: record + 32)
            byteCount = try integer(UInt64.self, at: record + 40)
            offset = try integer(UInt64.self, at: record + 48)
        }
        guard entryCount <= ZipArchive.maximumEntryCount else { throw broken("it lists \(entryCount) entries") }
        guard offset <= bytes.count, byteCount <= bytes.count - offset else { throw broken("its list lies outside") }
        return (offset..<offset + byteCount, entryCount)
    }

    /// - Returns: where the next entry starts.
    private mutating func readEntry(at position: Int, end: Int) throws -> Int {
        guard try integer(UInt32.self, at: position) == 0x0201_4B50 else { throw broken("an entry is missing") }
        let flags = try integer(UInt16.self, at: position + 8)
        let method = try integer(UInt16.self, at: position + 10)
        let nameCount = try integer(UInt16.self, at: position + 28)
        let extraCount = try integer(UInt16.self, at: position + 30)
        let commentCount = try integer(UInt16.self, at: position + 32)
        let next = position + 46 + nameCount + extraCount + commentCount
        guard next <= end else { throw broken("an entry reaches past the list") }
        let nameStart = position + 46
        let name = String(decoding: bytes[nameStart..<nameStart + nameCount], as: UTF8.self)
        var sizes = [
            try integer(UInt32.self, at: position + 24), try integer(UInt32.self, at: position + 20),
            try integer(UInt32.self, at: position + 42),
        ]
        try extend(&sizes, from: nameStart + nameCount..<nameStart + nameCount + extraCount)
        let (byteCount, storedCount, header) = (sizes[0], sizes[1], sizes[2])
        guard flags & 1 == 0, method == 0, byteCount == storedCount else {
            throw broken("'\(printable(name))' is compressed or encrypted, which PyTorch's files are not")
        }
        guard try integer(UInt32.self, at: header) == 0x0403_4B50 else { throw broken("an entry has no header") }
        let start =
            header + 30 + (try integer(UInt16.self, at: header + 26)) + (try integer(UInt16.self, at: header + 28))
        guard start <= bytes.count, byteCount <= bytes.count - start else {
            throw broken("'\(printable(name))' reaches past the file's end (truncated?)")
        }
        guard entries.updateValue(start..<start + byteCount, forKey: name) == nil else {
            throw broken("'\(printable(name))' appears twice")
        }
        return next
    }

    /// Sizes that do not fit 32 bits stand in an extra field, in order.
    private func extend(_ sizes: inout [Int], from extra: Range<Int>) throws {
        var position = extra.lowerBound
        while position + 4 <= extra.upperBound {
            let kind = try integer(UInt16.self, at: position)
            let count = try integer(UInt16.self, at: position + 2)
            if kind == 1 {
                var field = position + 4
                for index in sizes.indices where sizes[index] == 0xFFFF_FFFF {
                    sizes[index] = try integer(UInt64.self, at: field)
                    field += 8
                }
            }
            position += 4 + count
        }
    }
}
