package import TensorCore

/// One matrix product. The conformance tests compute all that are listed; the harness times those of models.
///
/// Legend: `T` tokens, `K` input features, `N` output channels.
package struct MatmulCase: Sendable, Hashable {
    package enum Residual: String, Sendable, Hashable {
        case none
        /// In a tensor of its own.
        case separate
        /// In the output's.
        case output
    }

    package var format: WeightFormat
    /// `T`.
    package var tokens: Int
    /// `N`, part by part.
    package var partRows: [Int]
    /// `K`.
    package var columns: Int
    package var hasBias = false
    package var activation: Activation?
    package var isGated = false
    package var residual = Residual.none
    /// Elements behind each row of `x`, the output and the residual.
    package var gap = 0
    /// Elements off the aligned start.
    package var shift = 0
    /// What the harness reports it as; `nil`: it is not timed.
    package var timing: TimedCase?

    package init(
        format: WeightFormat, tokens: Int, partRows: [Int], columns: Int, hasBias: Bool = false,
        activation: Activation? = nil, isGated: Bool = false, residual: Residual = .none, gap: Int = 0, shift: Int = 0,
        timing: TimedCase? = nil
    ) {
        self.format = format
        self.tokens = tokens
        self.partRows = partRows
        self.columns = columns
        self.hasBias = hasBias
        self.activation = activation
        self.isGated = isGated
        self.residual = residual
        self.gap = gap
        self.shift = shift
        self.timing = timing
    }

    package var rows: Int { partRows.reduce(0, +) }
    package var outputColumns: Int { isGated ? rows / 2 : rows }
    /// Multiply-adds.
    package var cost: Int { tokens * rows * columns }

    package var name: String {
        var words = [
            "\(format.rawValue) T=\(tokens) N=\(partRows.map(String.init).joined(separator: "+")) K=\(columns)"
        ]
        if hasBias { words.append("bias") }
        if let activation { words.append(activation.rawValue) }
        if isGated { words.append("gated") }
        if residual != .none { words.append("residual=\(residual.rawValue)") }
        if gap > 0 { words.append("gap=\(gap)") }
        if shift > 0 { words.append("shift=\(shift)") }
        return words.joined(separator: " ")
    }
}

/// The model and the operand that a timed case is reported under.
package struct TimedCase: Sendable, Hashable {
    package var model: String
    package var operand: String

    package init(model: String, operand: String) {
        self.model = model
        self.operand = operand
    }
}

extension MatmulCase {
    /// The products of a model's layer and head: a list for each weight and format, of all numbers of tokens.
    package static func timed(
        _ shape: ModelShape, formats: [WeightFormat], tokenCounts: [Int]
    ) -> [[MatmulCase]] {
        layers(shape).flatMap { layer in
            formats.filter { layer.columns % $0.blockSize == 0 }.map { format in
                // Logits are wanted of one token, however long the prompt.
                (layer.timing?.operand == headName ? [1] : tokenCounts).map { tokens in
                    var one = layer
                    one.format = format
                    one.tokens = tokens
                    return one
                }
            }
        }
    }

    private static let headName = "head"

    /// With one token, in FP32.
    private static func layers(_ shape: ModelShape) -> [MatmulCase] {
        let (width, inner) = (shape.hiddenSize, shape.intermediateSize)
        let isGPT2 = shape.family == .gpt2
        func layer(
            _ name: String, _ rows: Int, _ columns: Int, hasBias: Bool = false, activation: Activation? = nil,
            isGated: Bool = false, residual: Residual = .none
        ) -> MatmulCase {
            MatmulCase(
                format: .float32, tokens: 1, partRows: [rows], columns: columns, hasBias: hasBias,
                activation: activation, isGated: isGated, residual: residual,
                timing: TimedCase(model: shape.name, operand: name))
        }
        var layers = [
            layer("qkv", shape.projectionSize, width, hasBias: isGPT2),
            layer("output", width, shape.headCount * shape.headSize, hasBias: isGPT2, residual: .separate),
        ]
        if let experts = shape.experts {
            layers.append(layer("router", experts.count, width))
        } else {
            layers.append(
                isGPT2
                    ? layer("up", inner, width, hasBias: true, activation: .geluTanh)
                    : layer("gate_up", 2 * inner, width, activation: .silu, isGated: true))
            layers.append(layer("down", width, inner, hasBias: isGPT2, residual: .separate))
        }
        layers.append(layer(headName, shape.vocabularySize, width))
        return layers
    }
}
