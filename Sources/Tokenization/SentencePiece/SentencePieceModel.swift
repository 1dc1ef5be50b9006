/// A SentencePiece model (`tokenizer.model`, `spiece.model`): the parts of its protocol buffer that encoding needs.
/// (`sentencepiece_model.proto` of https://github.com/google/sentencepiece)
struct SentencePieceModel: Sendable {
    enum Algorithm: Int, Sendable {
        case unigram = 1
        case bpe, word, character
    }

    enum PieceKind: Int, Sendable {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    struct Piece: Sendable {
        var text = ""
        var score: Float = 0
        var kind = PieceKind.normal
    }

    var pieces: [Piece] = []
    var algorithm = Algorithm.unigram
    var usesByteFallback = false
    var unknownID = 0
    var beginningID = 1
    var endID = 2
    var unknownPiece = "<unk>"
    var beginningPiece = "<s>"
    var endPiece = "</s>"
    var addsDummyPrefix = true
    var removesExtraWhitespace = true
    var escapesWhitespace = true
    var characterMap: [UInt8] = []

    /// - Throws: ``TokenizationError/invalidSentencePieceModel(reason:)`` for what is no such file or is damaged.
    init(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBufferPointer { buffer in
            var reader = ProtobufReader(buffer)
            while let (number, value) = try reader.next() {
                guard case .bytes(let part) = value else { continue }
                switch number {
                case 1: pieces.append(try SentencePieceModel.piece(part, id: pieces.count))
                case 2: try readTrainer(part)
                case 3: try readNormalizer(part)
                default: break
                }
            }
        }
        guard !pieces.isEmpty else {
            throw TokenizationError.invalidSentencePieceModel(reason: "it holds no pieces")
        }
        guard pieces.count <= Vocabulary.maximumID else {
            throw TokenizationError.invalidSentencePieceModel(reason: "\(pieces.count) pieces are too many")
        }
    }

    private static func piece(_ part: ByteBuffer, id: Int) throws -> Piece {
        var piece = Piece()
        var reader = ProtobufReader(part)
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .bytes(let text)): piece.text = try string(text, "piece \(id)")
            case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
            case (3, .varint(let kind)): piece.kind = PieceKind(rawValue: Int(truncatingIfNeeded: kind)) ?? .normal
            default: break
            }
        }
        guard piece.score.isFinite else {
            throw TokenizationError.invalidSentencePieceModel(reason: "the score of piece \(id) is no finite number")
        }
        return piece
    }

    private mutating func readTrainer(_ part: ByteBuffer) throws {
        var reader = ProtobufReader(part)
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (3, .varint(let kind)): algorithm = Algorithm(rawValue: Int(truncatingIfNeeded: kind)) ?? .unigram
            case (35, .varint(let flag)): usesByteFallback = flag != 0
            case (40, .varint(let id)): unknownID = Int(Int32(truncatingIfNeeded: id))
            case (41, .varint(let id)): beginningID = Int(Int32(truncatingIfNeeded: id))
            case (42, .varint(let id)): endID = Int(Int32(truncatingIfNeeded: id))
            case (45, .bytes(let text)): unknownPiece = try SentencePieceModel.string(text, "unk_piece")
            case (46, .bytes(let text)): beginningPiece = try SentencePieceModel.string(text, "bos_piece")
            case (47, .bytes(let text)): endPiece = try SentencePieceModel.string(text, "eos_piece")
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ part: ByteBuffer) throws {
        var reader = ProtobufReader(part)
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (2, .bytes(let map)): characterMap = Array(map)
            case (3, .varint(let flag)): addsDummyPrefix = flag != 0
            case (4, .varint(let flag)): removesExtraWhitespace = flag != 0
            case (5, .varint(let flag)): escapesWhitespace = flag != 0
            default: break
            }
        }
    }

    private static func string(_ bytes: ByteBuffer, _ what: String) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw TokenizationError.invalidSentencePieceModel(reason: "\(what) is not valid UTF-8")
        }
        return text
    }
}
