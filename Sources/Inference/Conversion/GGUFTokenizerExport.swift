package import JSONCore
package import ModelIO
package import Tokenization

/// A `tokenizer.json` as the keys `tokenizer.*` of a GGUF file: byte-level BPE as `gpt2`, SentencePiece's BPE as `llama`,
/// WordPiece as `bert`, Unigram as `t5`. (convert_hf_to_gguf.py of llama.cpp)
package struct GGUFTokenizerExport {
    /// The `tokenizer.json`, or its equivalent, that `tokenizer` was made from.
    let root: JSONValue
    let tokenizer: Tokenizer
    let path: String
    /// Rows of the embedding: the file must have as many tokens.
    let rowCount: Int
    let generation: GenerationConfiguration

    package init(
        root: JSONValue, tokenizer: Tokenizer, path: String, rowCount: Int, generation: GenerationConfiguration
    ) {
        self.root = root
        self.tokenizer = tokenizer
        self.path = path
        self.rowCount = rowCount
        self.generation = generation
    }

    package typealias Entry = (key: String, value: GGUFEncodedValue)

    /// The keys; `nil` where GGUF has no form for the tokenizer.
    /// - Throws: `LoadError` where the vocabulary does not fit the embedding or the words' pattern has no name.
    package func entries() throws -> [Entry]? {
        do {
            let model = try root.require("model")
            guard tokenizer.vocabularySize <= rowCount else {
                throw LoadError.contradiction(
                    path: path, keys: ["vocab_size", "model.vocab"],
                    reason: "\(tokenizer.vocabularySize) tokens for \(rowCount) rows of the embedding")
            }
            switch tokenizer.model {
            case .wordPiece: return try wordPiece(model)
            case .unigram: return try unigram(model) + vocabulary() + pieceRoles + specialTokens + templates
            case .wordLevel: return nil
            case .bpe: break
            }
            let own: [Entry]
            if usesByteLevel {
                own = try byteLevel(model)
            } else if try model.optionalBool("byte_fallback") == true {
                own = try sentencePiece(model)
            } else {
                return nil
            }
            return own + vocabulary(isByteLevel: usesByteLevel) + specialTokens + templates
        } catch let error as JSONError {
            throw LoadError.json(error)
        }
    }

    // MARK: Kinds of models

    private var usesByteLevel: Bool { preTokenizers.contains { $0["type"]?.string == "ByteLevel" } }

    /// The steps that cut text into words, in order.
    var preTokenizers: [JSONValue] {
        guard let outer = root["pre_tokenizer"], !outer.isNull else { return [] }
        return outer["pretokenizers"]?.array.map(Array.init) ?? [outer]
    }

    /// The steps that change text before it is cut, in order.
    var normalizers: [JSONValue] {
        guard let outer = root["normalizer"], !outer.isNull else { return [] }
        return outer["normalizers"]?.array.map(Array.init) ?? [outer]
    }

    private func byteLevel(_ model: JSONValue) throws -> [Entry] {
        let merges = try merges(model).map { "\($0.left) \($0.right)" }
        return [
            ("tokenizer.ggml.model", .string("gpt2")),
            ("tokenizer.ggml.pre", .string(try patternName(model))),
            ("tokenizer.ggml.merges", .strings(merges)),
        ]
    }

    private func sentencePiece(_ model: JSONValue) throws -> [Entry] {
        // SentencePiece's scores fall with the rank of the merge that makes a token.
        var ranks: [String: Int] = [:]
        for (rank, merge) in try merges(model).enumerated() {
            let token = merge.left + merge.right
            if ranks[token] == nil { ranks[token] = rank }
        }
        let scores = (0..<rowCount).map { id -> Float in
            tokenizer.token(for: id).flatMap { ranks[$0] }.map { -Float($0) } ?? -1e9
        }
        return [
            ("tokenizer.ggml.model", .string("llama")), ("tokenizer.ggml.pre", .string("default")),
            ("tokenizer.ggml.scores", .floats(scores)),
            ("tokenizer.ggml.add_space_prefix", .bool(try addsSpacePrefix())),
        ]
    }

    private func merges(_ model: JSONValue) throws -> [(left: String, right: String)] {
        try model.requireArray("merges").map { merge in
            if let text = merge.string {
                let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
                guard parts.count == 2 else { throw merge.mismatch(expected: "two tokens with a space between") }
                return (parts[0], parts[1])
            }
            let pair = Array(try merge.requireArray())
            guard pair.count == 2 else { throw merge.mismatch(expected: "a pair of tokens") }
            return (try pair[0].requireString(), try pair[1].requireString())
        }
    }

    /// Whether encoding puts a space before the text.
    func addsSpacePrefix() throws -> Bool {
        if normalizers.contains(where: { $0["type"]?.string == "Prepend" }) { return true }
        let metaspace = preTokenizers.first { $0["type"]?.string == "Metaspace" }
        guard let metaspace else { return false }
        return metaspace["prepend_scheme"]?.string != "never" && metaspace["add_prefix_space"]?.bool != false
    }

    // MARK: Tokens

    /// - Parameters:
    ///   - isByteLevel: whether tokens are spelled in byte-level BPE's alphabet, and none stands for a byte or the unknown.
    ///   - spell: how the file spells an ordinary token.
    func vocabulary(isByteLevel: Bool = false, spell: (String) -> String = { $0 }) -> [Entry] {
        typealias Kind = GGUFVocabulary.TokenKind
        let model = root["model"]
        let unknownID = model?["unk_token"]?.string.flatMap { tokenizer.id(for: $0) } ?? model?["unk_id"]?.int
        var tokens: [String] = []
        var kinds: [Int32] = []
        tokens.reserveCapacity(rowCount)
        for id in 0..<rowCount {
            guard let token = tokenizer.addedTokens[id]?.content ?? tokenizer.token(for: id) else {
                tokens.append("[PAD\(id)]")
                kinds.append(Int32(Kind.unused.rawValue))
                continue
            }
            let kind: Kind
            var spelling = token
            if id == unknownID, !isByteLevel {
                kind = .unknown
            } else if let added = tokenizer.addedTokens[id] {
                kind = added.isSpecial || GGUFTokenizerExport.looksSpecial(token) ? .control : .userDefined
                if kind == .userDefined {
                    // Such tokens are looked for in the text as it is.
                    spelling = String(token.map { $0 == "\u{2581}" ? " " : $0 })
                }
            } else {
                kind = !isByteLevel && GGUFTokenizerExport.isByte(token) ? .byte : .normal
                spelling = spell(token)
            }
            tokens.append(spelling)
            kinds.append(Int32(kind.rawValue))
        }
        return [("tokenizer.ggml.tokens", .strings(tokens)), ("tokenizer.ggml.token_type", .int32s(kinds))]
    }

    /// Control tokens that some files do not mark as such.
    private static func looksSpecial(_ token: String) -> Bool {
        ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(token) || (token.hasPrefix("<|") && token.hasSuffix("|>"))
            || (token.hasPrefix("<unused") && token.hasSuffix(">"))
    }

    /// `<0x0A>`.
    private static func isByte(_ token: String) -> Bool {
        token.utf8.count == 6 && token.hasPrefix("<0x") && token.hasSuffix(">")
            && UInt8(token.dropFirst(3).dropLast(), radix: 16) != nil
    }

    var specialTokens: [Entry] {
        let frame = (try? tokenizer.encode("", addSpecialTokens: true)) ?? []
        let named = [tokenizer.id(for: .endOfSequence)].compactMap { $0 } + generation.eosTokenIDs
        // Where no file names an end-of-sequence token, it is the one that the post-processor puts behind every text.
        let framing = frame.count > 1 ? frame.suffix(1).filter(tokenizer.isSpecial) : []
        var distinctEnds: [Int] = []
        for id in named.isEmpty ? framing : named where !distinctEnds.contains(id) { distinctEnds.append(id) }
        let leading = tokenizer.leadingToken(beginning: generation.bosTokenID, ends: distinctEnds)
        let ids: [(name: String, id: Int?)] =
            [
                ("bos", tokenizer.id(for: .beginningOfSequence) ?? generation.bosTokenID ?? leading),
                ("unknown", unknownID), ("padding", tokenizer.id(for: .padding) ?? generation.padTokenID),
            ] + zip(["eos", "eot", "eom"], distinctEnds).map { ($0, $1) }
        let addsEnd = frame.count > (leading == nil ? 0 : 1) && frame.last.map(distinctEnds.contains) == true
        return entries(ids) + [
            ("tokenizer.ggml.add_bos_token", .bool(leading != nil)), ("tokenizer.ggml.add_eos_token", .bool(addsEnd)),
        ]
    }

    /// The unknown token, which stands for text that no other token covers.
    var unknownID: Int? {
        let model = root["model"]
        return tokenizer.id(for: .unknown) ?? model?["unk_token"]?.string.flatMap { tokenizer.id(for: $0) }
            ?? model?["unk_id"]?.int
    }

    /// The keys of those roles that a token inside the vocabulary has.
    func entries(_ ids: [(name: String, id: Int?)]) -> [Entry] {
        ids.compactMap { name, id in
            guard let id, (0..<rowCount).contains(id) else { return nil }
            return ("tokenizer.ggml.\(name)_token_id", .uint32(UInt32(id)))
        }
    }

    private var templates: [Entry] {
        let configuration = tokenizer.configuration
        let named = configuration.namedChatTemplates.sorted { $0.key < $1.key }
        var entries: [Entry] = named.map { ("tokenizer.chat_template.\($0.key)", .string($0.value)) }
        if !named.isEmpty { entries.append(("tokenizer.chat_templates", .strings(named.map(\.key)))) }
        if let template = configuration.chatTemplate { entries.append(("tokenizer.chat_template", .string(template))) }
        return entries
    }
}
