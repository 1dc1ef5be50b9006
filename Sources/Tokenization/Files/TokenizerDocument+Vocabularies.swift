internal import JSONCore

extension TokenizerDocument {
    /// The byte-level BPE of a `vocab.json` and its `merges.txt`.
    ///
    /// - Parameters:
    ///   - vocabulary: the file, whose root must be an object.
    ///   - merges: the file: two tokens a line with a space between, lines that start with `#version` left out.
    init(
        vocabulary: [UInt8], merges: [UInt8], as kind: TokenizerClass, configuration: TokenizerConfiguration
    ) throws {
        let kind = [.qwen2, .roberta, .gptNeoX].contains(kind) ? kind : .gpt2
        let addsPrefix = configuration.addsPrefixSpace ?? false
        let byteLevel = #"{"type":"ByteLevel","add_prefix_space":\#(addsPrefix),"trim_offsets":true,"use_regex":true}"#
        roles = kind.defaultRoles
        decoder = #"{"type":"ByteLevel"}"#
        preTokenizer = byteLevel
        if kind == .qwen2 {
            normalizer = #"{"type":"NFC"}"#
            let split =
                #"{"type":"Split","pattern":{"Regex":\#(TokenizerDocument.quote(GGUFPreTokenizer.qwen2))},"#
                + #""behavior":"Isolated","invert":false}"#
            preTokenizer = TokenizerDocument.sequence(
                [split, byteLevel.replacing(#""use_regex":true"#, with: #""use_regex":false"#)], "pretokenizers")
        } else if kind == .gptNeoX {
            normalizer = #"{"type":"NFC"}"#
        } else if kind == .roberta {
            frame = .roberta
            offsetTrimming = OffsetTrimming(addsPrefixSpace: addsPrefix)
        }
        let root = try JSONDocument(parsing: vocabulary, source: "vocab.json").root
        _ = try root.requireObject()
        model =
            #"{"type":"BPE","continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"vocab":"#
            + String(decoding: vocabulary, as: UTF8.self) + #","merges":"# + (try TokenizerDocument.merges(merges))
            + "}"
    }

    private static func merges(_ bytes: [UInt8]) throws -> String {
        var writer = JSONWriter()
        writer.beginArray()
        for (index, line) in TokenizerDocument.lines(bytes).enumerated() {
            if line.starts(with: "#version".utf8) { continue }
            let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw TokenizationError.invalidMerge(
                    index: index, reason: "\(quoted(line)) is not two tokens with a space between")
            }
            writer.beginArray()
            for part in parts {
                guard let text = String(validating: part, as: UTF8.self) else {
                    throw TokenizationError.invalidMerge(index: index, reason: "it is not valid UTF-8")
                }
                writer.value(text)
            }
            writer.endArray()
        }
        writer.endArray()
        return writer.text
    }

    /// The WordPiece of a `vocab.txt`: one token a line, ids by number of line.
    init(wordPieces bytes: [UInt8], as kind: TokenizerClass, configuration: TokenizerConfiguration) throws {
        let kind: TokenizerClass = kind == .mpnet ? .mpnet : .bert
        roles = kind.defaultRoles
        frame = kind == .mpnet ? .roberta : .bert
        if kind == .mpnet { offsetTrimming = OffsetTrimming(addsPrefixSpace: false) }
        let options = configuration.classOptions
        normalizer = """
            {"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":\(options.separatesIdeographs ?? true),\
            "strip_accents":\(options.stripsAccents.map(String.init) ?? "null"),"lowercase":\(options.lowercases ?? true)}
            """
        preTokenizer = #"{"type":"BertPreTokenizer"}"#
        decoder = #"{"type":"WordPiece","prefix":"\#("##")","cleanup":true}"#
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "WordPiece")
        writer.member("unk_token", configuration.token(for: .unknown) ?? "[UNK]")
        writer.member("continuing_subword_prefix", "##")
        writer.key("vocab")
        writer.beginObject()
        for (id, line) in TokenizerDocument.lines(bytes).enumerated() {
            guard let text = String(validating: line, as: UTF8.self) else {
                throw TokenizationError.invalidVocabulary(reason: "line \(id + 1) is not valid UTF-8")
            }
            var scalars = Substring(text).unicodeScalars
            while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
            writer.member(String(scalars), id)
        }
        writer.endObject()
        writer.endObject()
        model = writer.text
    }

    /// The lines without their ends; the last may have none.
    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { $0.last == 0x0D ? $0.dropLast() : $0 }
    }
}
