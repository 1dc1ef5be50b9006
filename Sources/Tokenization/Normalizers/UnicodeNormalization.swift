internal import CUTF8Proc

/// The normalization forms of UAX #15, as of Unicode 9: younger characters are left alone, because the tables of the
/// reference library are that old and equal text should have equal ids.
enum UnicodeNormalization {
    enum Form {
        case nfc, nfd, nfkc, nfkd

        fileprivate var options: utf8proc_option_t {
            let stable = UTF8PROC_STABLE.rawValue
            return switch self {
            case .nfc: utf8proc_option_t(stable | UTF8PROC_COMPOSE.rawValue)
            case .nfd: utf8proc_option_t(stable | UTF8PROC_DECOMPOSE.rawValue)
            case .nfkc: utf8proc_option_t(stable | UTF8PROC_COMPOSE.rawValue | UTF8PROC_COMPAT.rawValue)
            case .nfkd: utf8proc_option_t(stable | UTF8PROC_DECOMPOSE.rawValue | UTF8PROC_COMPAT.rawValue)
            }
        }
    }

    /// Normalizes in place. ASCII is left as it is: only runs of other characters, with the one ASCII character before
    /// them that a mark could join, are worked on.
    static func apply(_ form: Form, to text: inout [UInt8]) {
        guard var start = text.firstIndex(where: { $0 >= 0x80 }) else { return }
        var output: [UInt8] = []
        output.reserveCapacity(text.count + text.count / 8)
        var copied = 0
        while start < text.count {
            start = max(start - 1, copied)
            var end = start + 1
            while end < text.count, text[end] >= 0x80 { end += 1 }
            // The last ASCII character before the next run belongs to that run.
            output.append(contentsOf: text[copied..<start])
            normalizeKnown(text[start..<end], form, into: &output)
            copied = end
            guard let next = text[end...].firstIndex(where: { $0 >= 0x80 }) else { break }
            start = next
        }
        output.append(contentsOf: text[copied...])
        text = output
    }

    /// Normalizes what lies between characters that are younger than Unicode 9.
    private static func normalizeKnown(_ run: ArraySlice<UInt8>, _ form: Form, into output: inout [UInt8]) {
        run.withUnsafeBufferPointer { buffer in
            UnicodeClasses.withTable { table in
                var (index, start) = (0, 0)
                while index < buffer.count {
                    let (scalar, length) = UTF8Text.decode(buffer, at: index)
                    if UnicodeClasses.of(scalar, table).contains(.newerThanUnicode9) {
                        if start < index { normalize(buffer[start..<index], form, into: &output) }
                        output.append(contentsOf: buffer[index..<index + length])
                        start = index + length
                    }
                    index += length
                }
                if start < buffer.count { normalize(buffer[start...], form, into: &output) }
            }
        }
    }

    private static func normalize(_ run: Slice<ByteBuffer>, _ form: Form, into output: inout [UInt8]) {
        let run = ByteBuffer(rebasing: run)
        var codepoints = [utf8proc_int32_t](repeating: 0, count: run.count + 16)
        let options = form.options
        func decompose() -> Int {
            utf8proc_decompose(
                run.baseAddress, utf8proc_ssize_t(run.count), &codepoints, utf8proc_ssize_t(codepoints.count), options)
        }
        var count = decompose()
        if count > codepoints.count {
            codepoints = [utf8proc_int32_t](repeating: 0, count: count)
            count = decompose()
        }
        guard count >= 0 else {
            // Not well-formed: leave the run as it is.
            output.append(contentsOf: run)
            return
        }
        count = utf8proc_normalize_utf32(&codepoints, count, options)
        for codepoint in codepoints.prefix(max(count, 0)) {
            UTF8Text.append(UInt32(bitPattern: codepoint), to: &output)
        }
    }
}
