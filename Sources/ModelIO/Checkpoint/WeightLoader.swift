public import TensorCore

/// Loads weights from a checkpoint in the wanted number format. Weights that are stored in it stay mapped; others are
/// converted once into memory of their own, after which the file's pages may leave memory. At most one tensor is in
/// memory twice at a time.
///
/// Names are given without the prefix that only some files have: `h.0.ln_1.weight` with the prefixes `transformer.` and
/// none finds both spellings.
public struct WeightLoader: Sendable {
    public let checkpoint: Checkpoint
    /// Prefixes to try, in this order.
    public let prefixes: [String]
    /// Ends of names that this checkpoint writes otherwise, such as `in_proj.weight` as `in_proj_weight`.
    public let endings: [String: String]

    public init(_ checkpoint: Checkpoint, prefixes: [String] = [""], endings: [String: String] = [:]) {
        self.checkpoint = checkpoint
        self.prefixes = prefixes
        self.endings = endings
    }

    // MARK: Names

    /// The tensor called `name` with any of the prefixes, or `nil`.
    public func find(_ name: String) -> StoredTensor? {
        let name = stored(name)
        for prefix in prefixes {
            if let tensor = checkpoint[prefix + name] { return tensor }
        }
        return nil
    }

    public func contains(_ name: String) -> Bool { find(name) != nil }

    private func stored(_ name: String) -> String {
        for (ending, other) in endings where name.hasSuffix(ending) { return name.dropLast(ending.count) + other }
        return name
    }

    /// Whether the checkpoint has a matrix `head` that differs from the embedding. Such a head is used whatever the
    /// configuration says about tying, as in `transformers` 5; equal ones share one weight.
    public func hasOwnHead(_ head: String) -> Bool {
        guard let head = find(head) else { return false }
        return !WeightLoader.embeddings.compactMap(find).contains { $0.holdsSame(as: head) }
    }

    /// The names that the families have for the embedding of tokens.
    private static let embeddings = [
        "embed_tokens.weight", "wte.weight", "embed_in.weight", "shared.weight", "embeddings.word_embeddings.weight",
        "word_embeddings.weight", "tok_embeddings.weight", "decoder.embed_tokens.weight",
    ]

    /// The tensor called `name`, which must have the shape given.
    /// - Throws: `LoadError.missingTensor` with the names tried; `.shapeMismatch`.
    public func tensor(_ name: String, shape: [Int]) throws -> StoredTensor {
        guard let tensor = find(name) else {
            if let missingShard = checkpoint.missingShard { throw missingShard }
            throw LoadError.missingTensor(path: checkpoint.path, name: name, tried: prefixes.map { $0 + stored(name) })
        }
        guard tensor.shape.extents == shape else {
            throw LoadError.shapeMismatch(name: tensor.name, expected: shape, found: tensor.shape.extents)
        }
        return tensor
    }

    // MARK: Values

    /// A vector as float32.
    /// - Throws: `LoadError.missingTensor`, `.shapeMismatch`, `.unsupportedElement`.
    public func vector(_ name: String, count: Int) throws -> [Float] {
        try floats(tensor(name, shape: [count]))
    }

    /// The elements of a float tensor of any shape as float32.
    /// - Throws: `LoadError.unsupportedElement`.
    public func floats(_ tensor: StoredTensor) throws -> [Float] {
        let count = tensor.shape.elementCount
        guard tensor.type.isDecodable else { throw unsupported(tensor) }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            withExtendedLifetime(tensor) {
                guard let source = tensor.bytes.pointer.baseAddress, let target = buffer.baseAddress else { return }
                _ = ElementConversion.decode(source, tensor.type, count: count, into: target)
            }
            initialized = count
        }
    }

    // MARK: Weights

    /// One weight matrix.
    ///
    /// - Parameters:
    ///   - rows: `N`, output channels.
    ///   - columns: `K`, input features.
    ///   - format: `nil` keeps the stored format (FP64 becomes FP32).
    ///   - transposed: whether the file stores `[K, N]`, as GPT-2's Conv1D does.
    /// - Throws: `LoadError` naming the tensor.
    public func weight(
        _ name: String, rows: Int, columns: Int, as format: WeightFormat? = nil, transposed: Bool = false
    ) throws -> WeightSource {
        try weight([(name, rows)], columns: columns, as: format, transposed: transposed)
    }

    /// A weight of several matrices that read the same input, one part each, below one another.
    ///
    /// - Parameters:
    ///   - parts: the names, and each one's rows.
    ///   - format: `nil` keeps the stored format where all parts have the same, and takes FP32 where not.
    /// - Throws: `LoadError` naming the tensor.
    /// - Precondition: at least one part.
    public func weight(
        _ parts: [(name: String, rows: Int)], columns: Int, as format: WeightFormat? = nil, transposed: Bool = false
    ) throws -> WeightSource {
        let tensors = try tensors(parts, columns: columns, transposed: transposed)
        return try weight(
            tensors[...], columns: columns, as: format ?? WeightLoader.commonFormat(of: tensors), transposed: transposed
        )
    }

    /// As `weight`, but where `format` is `nil` each part keeps its stored format: as many weights as there are runs of
    /// parts that share one, which is one for most files.
    public func weights(
        _ parts: [(name: String, rows: Int)], columns: Int, as format: WeightFormat? = nil, transposed: Bool = false
    ) throws -> [WeightSource] {
        let tensors = try tensors(parts, columns: columns, transposed: transposed)
        if let format { return [try weight(tensors[...], columns: columns, as: format, transposed: transposed)] }
        var sources: [WeightSource] = []
        var start = 0
        while start < tensors.count {
            let format = WeightLoader.format(of: tensors[start])
            let end = tensors[start...].firstIndex { WeightLoader.format(of: $0) != format } ?? tensors.count
            sources.append(try weight(tensors[start..<end], columns: columns, as: format, transposed: transposed))
            start = end
        }
        return sources
    }

    /// A weight of tensors of two extents, below one another; the format as in `weight`.
    /// - Throws: `LoadError` naming the tensor.
    public func weight(
        _ tensors: [StoredTensor], columns: Int, as format: WeightFormat? = nil
    ) throws -> WeightSource {
        try weight(
            tensors[...], columns: columns, as: format ?? WeightLoader.commonFormat(of: tensors), transposed: false)
    }

    private func tensors(
        _ parts: [(name: String, rows: Int)], columns: Int, transposed: Bool
    ) throws -> [StoredTensor] {
        precondition(!parts.isEmpty, "a weight without parts")
        return try parts.map { part in
            try tensor(part.name, shape: transposed ? [columns, part.rows] : [part.rows, columns])
        }
    }

    private func weight(
        _ tensors: ArraySlice<StoredTensor>, columns: Int, as format: WeightFormat, transposed: Bool
    ) throws -> WeightSource {
        WeightSource(
            name: tensors.map(\.name).joined(separator: " + "), format: format, columns: columns,
            parts: try tensors.map { tensor in
                try part(
                    tensor, rows: tensor.shape[transposed ? 1 : 0], columns: columns, as: format, transposed: transposed
                )
            })
    }

    private func part(
        _ tensor: StoredTensor, rows: Int, columns: Int, as format: WeightFormat, transposed: Bool
    ) throws -> WeightPart {
        let conversion = MatrixConversion(
            tensor, rows: rows, columns: columns, isTransposed: transposed, format: format)
        if conversion.isIdentity { return WeightPart(rows: rows, bytes: tensor.bytes) }
        // Read ahead in one piece, since a transposition would fault pages in one by one, far from each other.
        (tensor.bytes.owner as? MappedFile)?.prefetch(tensor.bytes.pointer)
        do {
            let part = try conversion.run()
            tensor.bytes.discard()
            return part
        } catch let failure as MatrixConversion.Failure {
            throw error(failure, tensor, format)
        }
    }

    /// The format that holds the tensor's elements without conversion; FP32 where none does.
    private static func format(of tensor: StoredTensor) -> WeightFormat { tensor.type.weightFormat ?? .float32 }

    /// The format that all tensors are stored in; FP32 where they differ.
    public static func commonFormat(of tensors: [StoredTensor]) -> WeightFormat {
        let formats = Set(tensors.map(format))
        return formats.count == 1 ? formats.first ?? .float32 : .float32
    }

    private static let decodable = "F64, F32, F16, BF16 or a block format that this version computes"

    private func unsupported(_ tensor: StoredTensor) -> LoadError {
        .unsupportedElement(name: tensor.name, found: tensor.type.rawValue, expected: WeightLoader.decodable)
    }

    private func error(
        _ failure: MatrixConversion.Failure, _ tensor: StoredTensor, _ format: WeightFormat
    ) -> LoadError {
        switch failure {
        case .unsupportedElement: unsupported(tensor)
        case .needsBlocks:
            .unrepresentable(
                name: tensor.name, format: format.rawValue,
                reason: "block formats are not made while loading; keep the \(tensor.type.rawValue) of the file")
        case .overflowsFloat16:
            .unrepresentable(
                name: tensor.name, format: format.rawValue,
                reason: "it holds values over 65504; use bfloat16 or float32")
        case .notFinite(let row):
            .unrepresentable(
                name: tensor.name, format: format.rawValue, reason: "row \(row) holds an infinity or a NaN")
        }
    }
}
