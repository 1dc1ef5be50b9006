import Foundation
import JSONCore
import ModelIO
import TensorCore
import Testing

/// Layers that `sentence-transformers` has behind the pooling, against the formula written out in FP64.
struct DenseLayerTests {
    private static let inputSize = 16

    /// The vector of a text by a model with these modules behind the pooling.
    private func vector(_ modules: [String], edit: (TaskModelFolder) throws -> Void = { _ in }) throws -> [Double] {
        let folder = try TaskModelFolder("embed-mean")
        defer { folder.remove() }
        let paths = ["": "Transformer", "1_Pooling": "Pooling"].sorted { $0.key < $1.key }
        let own = modules.enumerated().map { (key: "\($0.offset + 2)_\($0.element)", value: $0.element) }
        let list = (paths.map { (key: $0.key, value: $0.value) } + own).map {
            ["path": $0.key, "type": "sentence_transformers.models.\($0.value)"]
        }
        try JSONSerialization.data(withJSONObject: list).write(to: folder.file("modules.json"))
        try edit(folder)
        let result = try CommandLineTool.run(
            ["embed", "--model", folder.path, "--device", "cpu", "--json", "a text of words"])
        try #require(result.exitCode == 0, "\(result.errors)")
        let root = try JSONDocument(parsing: result.outputBytes, source: "output").root
        return try root.requireArray().map { try $0.requireArray().map { try $0.requireDouble() } }[0]
    }

    private func weights(_ rows: Int, _ salt: Int) -> [Float] {
        (0..<rows * Self.inputSize).map { Float(($0 * 7 + salt) % 11) * 0.3 - 1.5 }
    }

    private func product(_ weight: [Float], _ x: [Double]) -> [Double] {
        stride(from: 0, to: weight.count, by: x.count).map { start in
            x.indices.reduce(0) { $0 + Double(weight[start + $1]) * x[$1] }
        }
    }

    @Test(arguments: ["Tanh", "Identity", "ReLU", "GELU", "SiLU", "Sigmoid"], [nil, 16, 6])
    func activationsAndResiduals(name: String, residualRows: Int?) throws {
        let rows = residualRows ?? 6
        let (weight, residual) = (weights(rows, 3), weights(rows, 5))
        let bias = (0..<rows).map { Float($0) * 0.25 - 0.5 }
        let found = try vector(["Dropout", "Dense"]) { folder in
            try FileManager.default.createDirectory(at: folder.file("3_Dense"), withIntermediateDirectories: true)
            let settings: [String: Any] = [
                "in_features": Self.inputSize, "out_features": rows, "bias": true,
                "activation_function": "torch.nn.modules.activation.\(name)", "use_residual": residualRows != nil,
            ]
            try JSONSerialization.data(withJSONObject: settings).write(to: folder.file("3_Dense/config.json"))
            var writer = SafetensorsWriter()
            writer.add("linear.weight", weight, shape: [rows, Self.inputSize])
            writer.add("linear.bias", bias, shape: [rows])
            if residualRows == 6 { writer.add("residual.weight", residual, shape: [rows, Self.inputSize]) }
            try writer.write(to: folder.file("3_Dense/model.safetensors").path)
        }
        let pooled = try vector([])
        var expected = zip(product(weight, pooled), bias).map { $0 + Double($1) }.map { x in
            switch name {
            case "Tanh": tanh(x)
            case "ReLU": max(x, 0)
            case "GELU": 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
            case "SiLU": x / (1 + exp(-x))
            case "Sigmoid": 1 / (1 + exp(-x))
            default: x
            }
        }
        if residualRows == 16 { expected = zip(expected, pooled).map(+) }
        if residualRows == 6 { expected = zip(expected, product(residual, pooled)).map(+) }
        try #require(found.count == rows)
        for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-5, "\(name)") }
    }

    @Test func aNormBehindThePooling() throws {
        let (weight, bias) = ((0..<16).map { Float($0) * 0.1 + 0.5 }, (0..<16).map { Float($0 % 3) - 1 })
        let found = try vector(["LayerNorm"]) { folder in
            try FileManager.default.createDirectory(at: folder.file("2_LayerNorm"), withIntermediateDirectories: true)
            try Data(#"{"dimension": 16}"#.utf8).write(to: folder.file("2_LayerNorm/config.json"))
            var writer = SafetensorsWriter()
            writer.add("norm.weight", weight, shape: [16])
            writer.add("norm.bias", bias, shape: [16])
            try writer.write(to: folder.file("2_LayerNorm/model.safetensors").path)
        }
        let pooled = try vector([])
        let mean = pooled.reduce(0, +) / 16
        let variance = pooled.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 16
        for (index, value) in pooled.enumerated() {
            let expected =
                (value - mean) / (variance + 1e-5).squareRoot() * Double(weight[index]) + Double(bias[index])
            #expect(abs(found[index] - expected) < 1e-5)
        }
    }

    @Test func whiteSpaceAroundATextIsItsOwn() throws {
        let folder = try TaskModelFolder("bge-m3")
        defer { folder.remove() }
        let list = [("", "Transformer"), ("1_Pooling", "Pooling")].map { ["path": $0.0, "type": "models.\($0.1)"] }
        try JSONSerialization.data(withJSONObject: list).write(to: folder.file("modules.json"))
        try FileManager.default.createDirectory(at: folder.file("1_Pooling"), withIntermediateDirectories: true)
        try Data(#"{"pooling_mode": "mean"}"#.utf8).write(to: folder.file("1_Pooling/config.json"))
        let result = try CommandLineTool.run(
            ["embed", "--model", folder.path, "--device", "cpu", "--json", "a text", "a text "])
        try #require(result.exitCode == 0, "\(result.errors)")
        let vectors = try JSONDocument(parsing: result.outputBytes, source: "output").root.requireArray().map {
            try $0.requireArray().map { try $0.requireDouble() }
        }
        #expect(zip(vectors[0], vectors[1]).contains { abs($0 - $1) > 1e-3 })
    }

    @Test func anotherActivationIsNamed() throws {
        let folder = try TaskModelFolder("embed-mean")
        defer { folder.remove() }
        let list = ["Transformer", "Pooling", "Dense"].map { ["path": "1_Pooling", "type": "models.\($0)"] }
        try JSONSerialization.data(withJSONObject: list).write(to: folder.file("modules.json"))
        try folder.merge(
            ["in_features": 16, "out_features": 4, "activation_function": "torch.nn.modules.activation.Softsign"],
            into: "1_Pooling/config.json")
        let result = try CommandLineTool.run(["embed", "--model", folder.path, "--device", "cpu", "a"])
        #expect(result.exitCode == 1 && result.errorLines.count == 1)
        #expect(result.errors.contains("Softsign") && result.errors.contains("GELU"), "\(result.errors)")
    }
}
