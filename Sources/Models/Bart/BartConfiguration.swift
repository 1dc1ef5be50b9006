import Glibc
import ModelIO
import TensorCore

/// What the `config.json` of BART and its relatives says, and how they differ.
struct BartConfiguration: Sendable {
    /// Where a token's position comes from.
    enum PositionEmbedding: Sendable {
        /// A table that was learned; rows before `offset` are not used.
        case learned(offset: Int)
        /// Sines in the first half of the features, cosines in the second, of wavelengths from 2π to 10000 · 2π.
        case sinusoidal
        /// The same of tensor2tensor, whose last wavelength is 10000 · 2π exactly, numbered from behind the padding.
        case sinusoidalBehindPadding
    }

    let description: EncoderDecoderDescription
    let encoderIntermediateSize: Int
    let decoderIntermediateSize: Int
    let activation: Activation
    let positionEmbedding: PositionEmbedding
    /// Whether norms stand before each sublayer rather than behind it, and one at the end of each side.
    let normalizesFirst: Bool
    /// Whether there is a norm behind the embeddings.
    let normalizesEmbeddings: Bool
    /// What word embeddings are multiplied by.
    let embeddingScale: Float
    /// Whether both sides have one vocabulary.
    let sharesEmbeddings: Bool

    static let names = ["bart", "m2m_100", "marian", "mbart", "pegasus"]
    static let epsilon: Float = 1e-5

    init(_ file: ModelConfiguration) throws {
        let keys = file.keys
        let name = file.modelType
        if let name = file.architectures.first,
            !name.hasSuffix("ForConditionalGeneration"), name != "MarianMTModel"
        {
            throw LoadError.unsupportedValue(
                path: file.path, key: "architectures", value: name,
                supported: ["…ForConditionalGeneration", "MarianMTModel"])
        }
        let hiddenSize = try keys.size("d_model", "hidden_size")
        let headCount = try keys.size("encoder_attention_heads", maximum: SizeLimit.heads)
        guard try keys.size("decoder_attention_heads", maximum: SizeLimit.heads) == headCount else {
            throw LoadError.contradiction(
                path: file.path, keys: ["encoder_attention_heads", "decoder_attention_heads"],
                reason: "sides with heads of different sizes are not supported")
        }
        guard hiddenSize.isMultiple(of: headCount), hiddenSize / headCount <= BartConfiguration.maximumHeadSize else {
            throw LoadError.contradiction(
                path: file.path, keys: ["d_model", "encoder_attention_heads"],
                reason: "\(hiddenSize) features do not make \(headCount) heads of up to "
                    + "\(BartConfiguration.maximumHeadSize)")
        }
        encoderIntermediateSize = try keys.size("encoder_ffn_dim")
        decoderIntermediateSize = try keys.size("decoder_ffn_dim")
        let padding = try keys.optionalInteger("pad_token_id", in: 0...SizeLimit.vocabulary) ?? 1
        positionEmbedding =
            switch name {
            case "marian", "pegasus": .sinusoidal
            case "m2m_100": .sinusoidalBehindPadding
            default: .learned(offset: 2)
            }
        var sizes = EncoderDecoderDescription(
            architecture: name,
            encoderLayerCount: try keys.size("encoder_layers", "num_hidden_layers", maximum: SizeLimit.layers),
            decoderLayerCount: try keys.size("decoder_layers", maximum: SizeLimit.layers), hiddenSize: hiddenSize,
            headCount: headCount, headSize: hiddenSize / headCount,
            intermediateSize: max(encoderIntermediateSize, decoderIntermediateSize),
            vocabularySize: try keys.size("vocab_size", maximum: SizeLimit.vocabulary),
            startTokenID: try keys.optionalInteger("decoder_start_token_id", in: 0...SizeLimit.vocabulary))
        let positionCount = try keys.size("max_position_embeddings", maximum: SizeLimit.positions)
        sizes.positionCount = positionCount
        if case .learned(let offset) = positionEmbedding { sizes.positionOffset = offset }
        if case .sinusoidalBehindPadding = positionEmbedding {
            sizes.positions = .behindPadding(id: padding)
            sizes.positionCount = positionCount + padding + 1
        }
        description = sizes
        activation = try file.activation("activation_function", default: name == "m2m_100" ? "relu" : "gelu")
        normalizesFirst = ["mbart", "pegasus", "m2m_100"].contains(name)
        normalizesEmbeddings = ["bart", "mbart"].contains(name)
        embeddingScale =
            try keys.flag("scale_embedding", default: name == "m2m_100") ? Float(hiddenSize).squareRoot() : 1
        sharesEmbeddings = try keys.flag("share_encoder_decoder_embeddings", default: true)
        if !sharesEmbeddings,
            let other = try keys.optionalSize("decoder_vocab_size", maximum: SizeLimit.vocabulary),
            other != sizes.vocabularySize
        {
            throw LoadError.contradiction(
                path: file.path, keys: ["vocab_size", "decoder_vocab_size"],
                reason: "sides with vocabularies of different sizes are not supported")
        }
    }

    /// - Parameter file: the configuration that this was read from.
    func plan(_ file: ModelConfiguration) -> EncoderDecoderPlan {
        EncoderDecoderPlan(file, description, prefixes: ["model.", ""]) {
            let model = try BartModel(configuration: self, weights: $0, target: $1)
            try $1.adapters?.requireAllUsed()
            return model
        }
    }

    /// What the attention kernels take.
    private static let maximumHeadSize = 256

    /// Rows of the table of positions, those that are not used included.
    var positionRows: Int {
        let count = description.positionCount ?? 0
        if case .learned(let offset) = positionEmbedding { return count + offset }
        return count
    }

    /// The sinusoids of every position, `[positionRows, hiddenSize]`. (Vaswani et al., 2017)
    func sinusoids() -> [Float] {
        let width = description.hiddenSize
        let half = width / 2
        var table = [Float](repeating: 0, count: positionRows * width)
        // tensor2tensor spreads the wavelengths over one step less.
        let isBehindPadding: Bool = if case .sinusoidalBehindPadding = positionEmbedding { true } else { false }
        let sines = isBehindPadding ? half : (width + 1) / 2
        for position in 0..<positionRows {
            for column in 0..<(isBehindPadding ? 2 * half : width) {
                let index = column < sines ? column : column - sines
                let exponent =
                    isBehindPadding ? Double(index) / Double(max(half - 1, 1)) : Double(2 * index) / Double(width)
                let angle = Double(position) / pow(10_000, exponent)
                table[position * width + column] = Float(column < sines ? sin(angle) : cos(angle))
            }
        }
        if case .behindPadding(let padding) = description.positions, padding < positionRows {
            for column in 0..<width { table[padding * width + column] = 0 }
        }
        return table
    }
}
