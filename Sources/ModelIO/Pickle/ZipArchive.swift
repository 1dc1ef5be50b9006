internal import TensorCore

/// The directory of a ZIP archive whose entries are stored without compression, as `torch.save` writes them.
/// (APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16)
///
/// Every offset and length is checked against the file before it is used; nothing is copied but the names.
struct ZipArchive {
    struct Entry {
        let name: String
        /// Bytes of the file that hold the entry's data.
        let range: Range<Int>
    }

    /// In the order of the directory.
    private(set) var entries: [Entry] = []
    private let bytes: UnsafeRawBufferPointer
    private let path: String

    /// The first bytes of an archive that has entries.
    static let magic: [UInt8] = [0x50, 0x4B, 0x03, 0x04]
    private static let maximumEntryCount = 1 << 20
    /// The record at the end of an archive, and the longest comment behind it.
    private static let endByteCount = 22
    private static let maximumCommentByteCount = 65_535

    /// - Precondition: `bytes` outlives the archive.
    /// - Throws: `LoadError.invalidFile`.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws {
        self.bytes = bytes
        self.path = path
        try readDirectory()
    }

    private func broken(_ reason: String) -> LoadError {
        .invalidFile(path: path, reason: "as a ZIP archive, \(reason)")
    }

    private func integer<Value: FixedWidthInteger>(_ offset: Int, as: Value.Type) throws -> Int {
        guard offset >= 0, offset <= bytes.count - MemoryLayout<Value>.size else {
            throw broken("it ends inside its directory (truncated?)")
        }
        let value = Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
        guard let result = Int(exactly: value) else { throw broken("it holds the offset \(value)") }
        return result
    }

    private mutating func readDirectory() throws {
        let end = try endRecord()
        var count = try integer(end + 10, as: UInt16.self)
        var byteCount = try integer(end + 12, as: UInt32.self)
        var offset = try integer(end + 16, as: UInt32.self)
        let locator = end - 20
        if locator >= 0, try integer(locator, as: UInt32.self) == 0x0706_4B50 {
            let record = try integer(locator + 8, as: UInt64.self)
            guard try integer(record, as: UInt32.self) == 0x0606_4B50 else {
                throw broken("its 64-bit end record is missing")
            }
            count = try integer(record + 32, as: UInt64.self)
            byteCount = try integer(record + 40, as: UInt64.self)
            offset = try integer(record + 48, as: UInt64.self)
        }
        guard offset <= bytes.count, byteCount <= bytes.count - offset else {
            throw broken("its directory reaches past its end (truncated?)")
        }
        // An entry takes at least 46 bytes.
        guard count <= min(byteCount / 46, ZipArchive.maximumEntryCount) else {
            throw broken("its directory of \(byteCount) bytes cannot hold \(count) entries")
        }
        entries.reserveCapacity(count)
        let limit = offset + byteCount
        for _ in 0..<count { offset = try readEntry(offset, limit: limit) }
    }

    /// The start of the record that ends the archive.
    private func endRecord() throws -> Int {
        let first = max(bytes.count - ZipArchive.endByteCount - ZipArchive.maximumCommentByteCount, 0)
        var offset = bytes.count - ZipArchive.endByteCount
        while offset >= first {
            if try integer(offset, as: UInt32.self) == 0x0605_4B50 { return offset }
            offset -= 1
        }
        throw broken("it has no end record (truncated?)")
    }

    /// Reads the entry at `offset` and returns where the next one starts.
    private mutating func readEntry(_ offset: Int, limit: Int) throws -> Int {
        guard try integer(offset, as: UInt32.self) == 0x0201_4B50 else { throw broken("its directory is broken") }
        let method = try integer(offset + 10, as: UInt16.self)
        var storedCount = try integer(offset + 20, as: UInt32.self)
        var byteCount = try integer(offset + 24, as: UInt32.self)
        let nameCount = try integer(offset + 28, as: UInt16.self)
        let extraCount = try integer(offset + 30, as: UInt16.self)
        let commentCount = try integer(offset + 32, as: UInt16.self)
        var header = try integer(offset + 42, as: UInt32.self)
        let next = offset + 46 + nameCount + extraCount + commentCount
        guard next <= limit else { throw broken("an entry reaches past its directory") }
        let name = String(decoding: bytes[offset + 46..<offset + 46 + nameCount], as: UTF8.self)
        var extra = offset + 46 + nameCount
        let extraEnd = extra + extraCount
        while extra + 4 <= extraEnd {
            let (id, size) = (try integer(extra, as: UInt16.self), try integer(extra + 2, as: UInt16.self))
            var field = extra + 4
            let fieldEnd = min(field + size, extraEnd)
            func wide() throws -> Int {
                defer { field += 8 }
                guard field + 8 <= fieldEnd else { throw broken("entry '\(printable(name))' lacks a 64-bit size") }
                return try integer(field, as: UInt64.self)
            }
            if id == 1 {
                if byteCount == 0xFFFF_FFFF { byteCount = try wide() }
                if storedCount == 0xFFFF_FFFF { storedCount = try wide() }
                if header == 0xFFFF_FFFF { header = try wide() }
            }
            extra = fieldEnd
            if size == 0, id == 0 { break }
        }
        guard method == 0, storedCount == byteCount else {
            throw broken("entry '\(printable(name))' is compressed; torch.save stores entries as they are")
        }
        guard try integer(header, as: UInt32.self) == 0x0403_4B50 else {
            throw broken("entry '\(printable(name))' has no header")
        }
        let start = try header + 30 + integer(header + 26, as: UInt16.self) + integer(header + 28, as: UInt16.self)
        guard start <= bytes.count, byteCount <= bytes.count - start else {
            throw broken("entry '\(printable(name))' reaches past the file's \(bytes.count) bytes (truncated?)")
        }
        entries.append(Entry(name: name, range: start..<start + byteCount))
        return next
    }
}
