public import TensorCore

extension ReferenceBackend {
    public func matmul(_ x: Tensor, _ weight: any Weight, into output: Tensor, epilogue: MatmulEpilogue) throws {
        guard let weight = weight as? ReferenceWeight else { preconditionFailure("a weight of another backend") }
        try MatmulArguments(x: x, weight: weight, output: output, epilogue: epilogue).validate()
        launch("matmul")
        store(
            Reference.matmul(
                matrix(x), weight.values,
                epilogue: .init(
                    bias: epilogue.bias.map { elements($0.reshaped([1, weight.rows]), as: Float.self) },
                    activation: epilogue.activation, isGated: epilogue.isGated,
                    residual: epilogue.residual.map { matrix($0) })), to: output)
    }

    public func rmsNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, epsilon: Float, into output: Tensor
    ) throws {
        try norm("rmsNorm", x, residual, sum, weight, nil, epsilon, output) {
            Reference.rmsNorm($0, weight: $1, epsilon: epsilon)
        }
    }

    public func rmsNormHeads(_ x: Tensor, headSize: Int, weight: Tensor, epsilon: Float) throws {
        let op = "rmsNormHeads"
        try NormArguments.validateHeads(x, headSize: headSize, weight: weight, epsilon: epsilon)
        launch(op)
        store(
            Reference.rmsNormHeads(
                matrix(x), headSize: headSize, weight: elements(weight.reshaped([1, x.columns]), as: Float.self),
                epsilon: epsilon), to: x)
    }

    public func layerNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, bias: Tensor?, epsilon: Float,
        into output: Tensor
    ) throws {
        let offsets = bias.map { elements($0, as: Float.self) }
        try norm("layerNorm", x, residual, sum, weight, bias, epsilon, output) {
            Reference.layerNorm($0, weight: $1, bias: offsets, epsilon: epsilon)
        }
    }

    private func norm(
        _ op: String, _ x: Tensor, _ residual: Tensor?, _ sum: Tensor?, _ weight: Tensor, _ bias: Tensor?,
        _ epsilon: Float, _ output: Tensor, _ body: (Matrix, [Float]) -> Matrix
    ) throws {
        try NormArguments(
            x: x, residual: residual, sum: sum, weight: weight, bias: bias, epsilon: epsilon, output: output
        ).validate(op: op)
        launch(op)
        let added = residual.map { matrix(x) + matrix($0) } ?? matrix(x)
        if let sum { store(added, to: sum) }
        store(body(added, elements(weight, as: Float.self)), to: output)
    }

    public func activate(_ x: Tensor, _ activation: Activation, into output: Tensor) throws {
        try require("activate", "x", x, [x.rows, x.columns])
        try require("activate", "output", output, [x.rows, x.columns])
        launch("activate")
        store(Reference.activate(matrix(x), activation), to: output)
    }

    public func multiply(_ x: Tensor, _ y: Tensor, into output: Tensor) throws {
        for (name, tensor) in [("x", x), ("y", y), ("output", output)] {
            try require("multiply", name, tensor, [x.rows, x.columns])
        }
        launch("multiply")
        store(Reference.multiply(matrix(x), matrix(y)), to: output)
    }

    public func softCap(_ x: Tensor, cap: Float, into output: Tensor) throws {
        try require("softCap", "x", x, [x.rows, x.columns])
        try require("softCap", "output", output, [x.rows, x.columns])
        try ArgumentChecks(op: "softCap").softCap(cap)
        launch("softCap")
        store(Reference.softCap(matrix(x), cap: cap), to: output)
    }

    public func softmax(_ x: Tensor, scale: Float, into output: Tensor) throws {
        try require("softmax", "x", x, [x.rows, x.columns])
        try require("softmax", "output", output, [x.rows, x.columns])
        launch("softmax")
        store(Reference.softmax(matrix(x), scale: Double(scale)), to: output)
    }

    public func embed(
        _ ids: Tensor, _ table: any Weight, scale: Float, accumulate: Bool, into output: Tensor
    ) throws {
        guard let table = table as? ReferenceWeight else { preconditionFailure("a weight of another backend") }
        let count = ids.shape.elementCount
        try require("embed", "ids", ids, [count], .int32)
        try require("embed", "output", output, [count, table.columns])
        launch("embed")
        store(
            Reference.embed(
                elements(ids, as: Int32.self), table.values, scale: scale, addingTo: accumulate ? matrix(output) : nil),
            to: output)
    }

    public func gatherRows(_ x: Tensor, rows: Tensor, into output: Tensor) throws {
        let count = rows.shape.elementCount
        try require("gatherRows", "rows", rows, [count], .int32)
        try require("gatherRows", "x", x, [x.rows, x.columns])
        try require("gatherRows", "output", output, [count, x.columns])
        launch("gatherRows")
        store(Reference.gatherRows(matrix(x), rows: elements(rows, as: Int32.self)), to: output)
    }

    public func argmax(_ x: Tensor, into indices: Tensor) throws {
        try ArgumentChecks(op: "argmax").argmax(x, indices: indices)
        launch("argmax")
        let values = elements(x, as: Float.self)
        store(
            (0..<x.rows).map { Reference.argmax(values[$0 * x.columns..<($0 + 1) * x.columns]) },
            to: indices.reshaped([x.rows, 1]))
    }

    public func topK(_ x: Tensor, count: Int, values: Tensor, indices: Tensor) throws {
        try ArgumentChecks(op: "topK").topK(x, count: count, values: values, indices: indices, capabilities)
        launch("topK")
        let source = elements(x, as: Float.self)
        let chosen = (0..<x.rows).map {
            Reference.topColumns(source[$0 * x.columns..<($0 + 1) * x.columns], count: count)
        }
        store(chosen.enumerated().flatMap { row, list in list.map { source[row * x.columns + Int($0)] } }, to: values)
        store(chosen.flatMap { $0 }, to: indices)
    }
}
