internal import JSONCore

extension TokenizerDocument {
    private typealias Document = TokenizerDocument

    /// The tokenizer of a SentencePiece model as transformers 5 converts it.
    /// (`convert_slow_tokenizer.py` and the models' `tokenization_*.py` of transformers 5.24)
    init(_ file: SentencePieceModel, as kind: TokenizerClass, configuration: TokenizerConfiguration) throws {
        let options = configuration.classOptions
        specialTokens = file.pieces.filter { $0.kind == .control || $0.kind == .userDefined }.map {
            AddedToken(id: 0, content: $0.text, isSpecial: $0.kind == .control)
        }
        roles = kind.defaultRoles
        switch kind {
        case .llama, .codeLlama: try setLlama(file, kind, configuration)
        case .gemma: try setGemma(file, configuration)
        case .t5: try setT5(file, options)
        case .xlmRoberta, .camembert: try setFairseq(file, kind, configuration)
        case .albert: try setAlbert(file, configuration)
        case .debertaV2: try setDeberta(file, configuration)
        case .pegasus: try setPegasus(file, configuration)
        default: try setBackend(file, configuration)
        }
    }

    // MARK: BPE

    private static let byteDecoders = [
        replace("▁", with: " "), #"{"type":"ByteFallback"}"#, #"{"type":"Fuse"}"#,
    ]
    private static let stripFirstSpace = #"{"type":"Strip","content":" ","start":1,"stop":0}"#

    private mutating func setLlama(
        _ file: SentencePieceModel, _ kind: TokenizerClass, _ configuration: TokenizerConfiguration
    ) throws {
        let addsPrefix = configuration.addsPrefixSpace ?? true
        let isCode = kind == .codeLlama
        let always: PrependScheme = !isCode && configuration.isLegacy == true ? .always : .first
        preTokenizer = Document.metaspace(addsPrefix ? always : .never, splits: false)
        decoder = Document.sequence(
            Document.byteDecoders + (addsPrefix || isCode ? [Document.stripFirstSpace] : []), "decoders")
        let unknown = isCode ? configuration.token(for: .unknown) ?? "<unk>" : nil
        model = try Document.bpe(file.mergedByID(), unknown: unknown, usesByteFallback: true)
        addsBeginning = isCode
        if isCode {
            specialTokens += ["▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>", "<FILL_ME>"].map {
                AddedToken(id: 0, content: $0)
            }
        }
    }

    private mutating func setGemma(_ file: SentencePieceModel, _ configuration: TokenizerConfiguration) throws {
        normalizer = Document.replace(" ", with: "▁")
        preTokenizer =
            #"{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}"#
        decoder = Document.sequence(Document.byteDecoders, "decoders")
        model = try Document.bpe(
            file.mergedByID(), unknown: configuration.token(for: .unknown) ?? "<unk>", usesByteFallback: true)
    }

    /// The settings of the SentencePiece model itself.
    private mutating func setBackend(_ file: SentencePieceModel, _ configuration: TokenizerConfiguration) throws {
        let isLegacy = configuration.isLegacy ?? true
        let userDefined: [String]
        if file.algorithm == .unigram {
            userDefined = file.pieces.filter { $0.kind == .userDefined }.map(\.text)
            model = try Document.unigram(
                file.pieces.map { ($0.text, Double($0.score)) }, unknownID: file.unknownID,
                usesByteFallback: file.usesByteFallback)
        } else {
            let renamed = file.renamed(configuration.addedTokens ?? [])
            userDefined = renamed.pieces.filter { $0.kind == .userDefined }.map(\.text)
            model = try Document.bpe(
                renamed.mergedByScore(), unknown: file.unknownPiece, usesByteFallback: file.usesByteFallback,
                ignoresMerges: !userDefined.isEmpty)
        }
        let unmerged = Set(file.pieces.filter { $0.kind == .userDefined }.map(\.text))
        specialTokens.removeAll { unmerged.contains($0.content) }
        findsAddedTokensInRawText = file.addsDummyPrefix
        setBackendNormalizer(file, isLegacy: isLegacy)
        var cuts: [String] = []
        if file.addsDummyPrefix { cuts.append(Document.metaspace(isLegacy ? .always : .first, splits: false)) }
        if !userDefined.isEmpty {
            let longestFirst = userDefined.enumerated().sorted {
                let (left, right) = ($0.element.unicodeScalars.count, $1.element.unicodeScalars.count)
                return left == right ? $0.offset < $1.offset : left > right
            }
            let pattern = longestFirst.map { Document.escaped($0.element) }.joined(separator: "|")
            cuts.append(
                #"{"type":"Split","pattern":{"Regex":\#(Document.quote(pattern))},"behavior":"Isolated","invert":false}"#
            )
        }
        preTokenizer = Document.sequence(cuts, "pretokenizers")
        var decoders = [Document.replace("▁", with: " ")]
        if file.usesByteFallback { decoders.append(Document.byteDecoders[1]) }
        if file.addsDummyPrefix || file.usesByteFallback { decoders.append(Document.byteDecoders[2]) }
        if file.addsDummyPrefix { decoders.append(Document.stripFirstSpace) }
        decoder = Document.sequence(decoders, "decoders")
        if file.beginningID >= 0 { roles[.beginningOfSequence] = file.beginningPiece }
        if file.endID >= 0 { roles[.endOfSequence] = file.endPiece }
        if file.unknownID >= 0 { roles[.unknown] = file.unknownPiece }
    }

    private mutating func setBackendNormalizer(_ file: SentencePieceModel, isLegacy: Bool) {
        var steps = Document.precompiled(file)
        if file.removesExtraWhitespace {
            steps += [
                Document.replace(pattern: #"\A +| +\z"#, with: ""), Document.replace(pattern: " {2,}", with: " "),
            ]
        }
        if file.escapesWhitespace { steps.append(Document.replace(" ", with: "▁")) }
        // A dummy prefix is put before a text that starts with the mark itself, too.
        if file.addsDummyPrefix, isLegacy { steps.append(Document.replace(pattern: #"\A▁"#, with: "▁▁")) }
        normalizer = Document.sequence(steps, "normalizers")
    }

    /// The text as a pattern that finds it.
    private static func escaped(_ text: String) -> String {
        var pattern = ""
        for scalar in text.unicodeScalars {
            if "\t\n\r\u{0B}\u{0C} #$&-()*+.?[\\]^{|}~".unicodeScalars.contains(scalar) { pattern += "\\" }
            pattern.unicodeScalars.append(scalar)
        }
        return pattern
    }

    // MARK: Unigram

    private static let words = #"{"type":"WhitespaceSplit"}"#
    private static let rightStrip = #"{"type":"Strip","strip_left":false,"strip_right":true}"#

    static func precompiled(_ file: SentencePieceModel) -> [String] {
        file.characterMap.isEmpty
            ? []
            : [#"{"type":"Precompiled","precompiled_charsmap":"\#(Base64.encode(file.characterMap))"}"#]
    }

    private mutating func setT5(_ file: SentencePieceModel, _ options: TokenizerConfiguration.ClassOptions) throws {
        let extra = options.extraIDCount ?? 100
        guard (0...100_000).contains(extra) else {
            throw TokenizationError.invalidComponent(path: "extra_ids", reason: "\(extra) is not in 0...100000")
        }
        let names = (0..<extra).map { "<extra_id_\($0)>" }
        model = try Document.unigram(
            file.pieces.map { ($0.text, Double($0.score)) } + names.reversed().map { ($0, 0) }, unknownID: 2)
        normalizer = Document.sequence(Document.precompiled(file), "normalizers")
        preTokenizer = Document.sequence([Document.words, Document.metaspace(.always)], "pretokenizers")
        decoder = Document.metaspace(.always)
        specialTokens += names.map { AddedToken(id: 0, content: $0) }
        frame = .end(betweenTexts: true)
    }

    /// Vocabularies of fairseq's: a few tokens of their own stand before those of the model.
    private mutating func setFairseq(
        _ file: SentencePieceModel, _ kind: TokenizerClass, _ configuration: TokenizerConfiguration
    ) throws {
        func name(_ role: TokenizerConfiguration.Role) -> (String, Double) {
            (configuration.token(for: role) ?? kind.defaultRoles[role] ?? "", 0)
        }
        var pieces: [(String, Double)]
        if kind == .xlmRoberta {
            pieces = [name(.beginningOfSequence), name(.padding), name(.endOfSequence), name(.unknown)]
            pieces += file.pieces.dropFirst(3).map { ($0.text, Double($0.score)) }
        } else {
            pieces = [("<s>NOTUSED", 0), name(.padding), ("</s>NOTUSED", 0), name(.unknown), ("<unk>NOTUSED", -100)]
            pieces += file.pieces.dropFirst().map { ($0.text, Double($0.score)) }
        }
        model = try Document.unigram(pieces + [name(.mask)], unknownID: 3)
        normalizer = Document.sequence(Document.precompiled(file), "normalizers")
        let scheme: PrependScheme = configuration.addsPrefixSpace ?? true ? .always : .never
        preTokenizer = Document.sequence([Document.words, Document.metaspace(scheme)], "pretokenizers")
        decoder = Document.metaspace(scheme)
        frame = .doubled
    }

    private mutating func setAlbert(_ file: SentencePieceModel, _ configuration: TokenizerConfiguration) throws {
        let options = configuration.classOptions
        model = try Document.unigram(file.pieces.map { ($0.text, Double($0.score)) }, unknownID: 1)
        var steps = [Document.replace("``", with: "\""), Document.replace("''", with: "\"")]
        if options.keepsAccents != true { steps += [#"{"type":"NFKD"}"#, #"{"type":"StripAccents"}"#] }
        if options.lowercases ?? true { steps.append(#"{"type":"Lowercase"}"#) }
        normalizer = Document.sequence(steps + Document.precompiled(file), "normalizers")
        let scheme: PrependScheme = configuration.addsPrefixSpace ?? true ? .always : .never
        preTokenizer = Document.sequence([Document.words, Document.metaspace(scheme)], "pretokenizers")
        decoder = Document.metaspace(scheme)
        frame = .bert
    }

    private mutating func setDeberta(_ file: SentencePieceModel, _ configuration: TokenizerConfiguration) throws {
        let options = configuration.classOptions
        let unknown = configuration.token(for: .unknown) ?? "[UNK]"
        let unknownID = file.pieces.firstIndex { $0.text == unknown && $0.score == 0 } ?? file.unknownID
        model = try Document.unigram(file.pieces.map { ($0.text, Double($0.score)) }, unknownID: unknownID)
        let lowercase = options.lowercases == true ? [#"{"type":"Lowercase"}"#] : []
        normalizer = Document.sequence(
            lowercase + [
                Document.replace(pattern: #"\s{2,}|[\n\r\t]"#, with: " "), #"{"type":"NFC"}"#, Document.rightStrip,
            ], "normalizers")
        let scheme: PrependScheme = configuration.addsPrefixSpace ?? true ? .always : .first
        let punctuation =
            options.splitsAtPunctuation == true ? [#"{"type":"Punctuation","behavior":"Isolated"}"#] : []
        preTokenizer = Document.sequence(punctuation + [Document.metaspace(scheme)], "pretokenizers")
        decoder = Document.metaspace(scheme)
        frame = .bert
    }

    private mutating func setPegasus(_ file: SentencePieceModel, _ configuration: TokenizerConfiguration) throws {
        let offset = configuration.classOptions.offset ?? 103
        guard (2...100_000).contains(offset) else {
            throw TokenizationError.invalidComponent(path: "offset", reason: "\(offset) is not in 2...100000")
        }
        func name(_ role: TokenizerConfiguration.Role, _ standard: String) -> String {
            configuration.token(for: role) ?? standard
        }
        let unused = (2..<offset).map { "<unk_\($0)>" }
        var pieces: [(String, Double)] = [(name(.padding, "<pad>"), 0), (name(.endOfSequence, "</s>"), 0)]
        // The two names are the other way round where the files do not say them, as in the reference.
        let masks = [name(.mask, "<mask_1>"), "<mask_2>"]
        pieces += masks.indices.filter { $0 == 0 || masks[0] != masks[1] }.map { (masks[$0], 0) }
        pieces += unused.map { ($0, -100) }
        pieces += file.pieces.dropFirst(2).map { ($0.text, Double($0.score)) }
        let unknown = name(.unknown, "<unk>")
        let unknownID = pieces.indices.dropFirst().first { pieces[$0].0 == unknown && pieces[$0].1 == 0 }
        model = try Document.unigram(pieces, unknownID: unknownID)
        let spaces = Document.replace(pattern: " {2,}", with: " ")
        let map = Document.precompiled(file)
        normalizer = Document.sequence(
            (map.isEmpty ? [Document.replace(pattern: "\\n", with: " ")] : map) + [spaces], "normalizers")
        preTokenizer = Document.metaspace(.always)
        decoder = Document.metaspace(.always)
        specialTokens = (["<mask_1>"] + unused).map { AddedToken(id: 0, content: $0) }
        frame = .end(betweenTexts: false)
    }
}
