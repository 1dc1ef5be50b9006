internal import Glibc
package import Inference
internal import ModelIO
internal import TensorCore

/// A network of images of a known shape with random weights, under the names of torchvision or timm.
package enum SyntheticImageModel {
    package static let names = ["resnet50", "vgg16", "vit_base_patch16_224"]

    /// Makes the weights in FP32.
    /// - Throws: `LoadError`, which a name of `names` never causes.
    package static func make(_ name: String) throws -> ModelPackage {
        var tensors = ImageTensors(path: name)
        switch name {
        case "vgg16": addVGG16(to: &tensors)
        case "vit_base_patch16_224": addViT(width: 768, layerCount: 12, to: &tensors)
        default: addResNet50(to: &tensors)
        }
        var table = ConfigurationTable()
        table.set("architecture", name)
        table.set("num_classes", labelCount)
        return ModelPackage(
            name: name, configuration: try ModelConfiguration(table, path: name, layout: .huggingFace),
            checkpoint: Checkpoint(path: name, tensors: tensors.tensors), generation: GenerationConfiguration(),
            tokenizer: nil)
    }

    private static let labelCount = 1000

    private static func addResNet50(to tensors: inout ImageTensors) {
        func convolution(_ name: String, _ norm: String, _ outputs: Int, _ inputs: Int, _ kernel: Int) {
            tensors.weight(name, [outputs, inputs, kernel, kernel])
            for (part, center) in [("weight", Float(1)), ("bias", 0), ("running_mean", 0), ("running_var", 1)] {
                tensors.vector("\(norm).\(part)", outputs, around: center)
            }
        }
        convolution("conv1", "bn1", 64, 3, 7)
        var width = 64
        for (stage, blockCount) in [3, 4, 6, 3].enumerated() {
            let inner = 64 << stage
            for block in 0..<blockCount {
                let prefix = "layer\(stage + 1).\(block)."
                convolution(prefix + "conv1", prefix + "bn1", inner, width, 1)
                convolution(prefix + "conv2", prefix + "bn2", inner, inner, 3)
                convolution(prefix + "conv3", prefix + "bn3", 4 * inner, inner, 1)
                if block == 0 { convolution(prefix + "downsample.0", prefix + "downsample.1", 4 * inner, width, 1) }
                width = 4 * inner
            }
        }
        tensors.linear("fc", labelCount, width)
    }

    private static func addVGG16(to tensors: inout ImageTensors) {
        var (index, width) = (0, 3)
        for (outputs, count) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
            for _ in 0..<count {
                tensors.weight("features.\(index)", [outputs, width, 3, 3])
                tensors.vector("features.\(index).bias", outputs, around: 0)
                (index, width) = (index + 2, outputs)
            }
            index += 1
        }
        tensors.linear("classifier.0", 4096, 7 * 7 * 512)
        tensors.linear("classifier.3", 4096, 4096)
        tensors.linear("classifier.6", labelCount, 4096)
    }

    private static func addViT(width: Int, layerCount: Int, to tensors: inout ImageTensors) {
        func norm(_ name: String) {
            tensors.vector(name + ".weight", width, around: 1)
            tensors.vector(name + ".bias", width, around: 0)
        }
        tensors.weight("patch_embed.proj", [width, 3, 16, 16])
        tensors.vector("patch_embed.proj.bias", width, around: 0)
        tensors.vector("cls_token", [1, 1, width], around: 0)
        tensors.vector("pos_embed", [1, 14 * 14 + 1, width], around: 0)
        for layer in 0..<layerCount {
            let prefix = "blocks.\(layer)."
            norm(prefix + "norm1")
            tensors.linear(prefix + "attn.qkv", 3 * width, width)
            tensors.linear(prefix + "attn.proj", width, width)
            norm(prefix + "norm2")
            tensors.linear(prefix + "mlp.fc1", 4 * width, width)
            tensors.linear(prefix + "mlp.fc2", width, 4 * width)
        }
        norm("norm")
        tensors.linear("head", labelCount, width)
    }
}

/// Random tensors.
private struct ImageTensors {
    let path: String
    private(set) var tensors: [StoredTensor] = []

    init(path: String) { self.path = path }

    /// Outputs first. Values of variance 1 have about that behind it and a ReLU.
    mutating func weight(_ name: String, _ extents: [Int]) {
        let inputs = extents.dropFirst().reduce(1, *)
        add(name + ".weight", extents, center: 0, scale: (6 / Float(inputs)).squareRoot())
    }

    mutating func linear(_ name: String, _ rows: Int, _ columns: Int) {
        weight(name, [rows, columns])
        vector(name + ".bias", rows, around: 0)
    }

    /// Values about `center`, which norms need.
    mutating func vector(_ name: String, _ count: Int, around center: Float) {
        vector(name, [count], around: center)
    }

    mutating func vector(_ name: String, _ extents: [Int], around center: Float) {
        add(name, extents, center: center, scale: 0.02)
    }

    private mutating func add(_ name: String, _ extents: [Int], center: Float, scale: Float) {
        var random = SplitMix64(seed: UInt64(tensors.count) &* 77 &+ 3)
        let next = { center + random.float(scale: scale) }
        tensors.append(
            StoredTensor(
                name: name, type: .float32, shape: Shape(extents), bytes: Self.bytes(extents.reduce(1, *), next),
                path: path))
    }

    /// In a file without a name, as other engines have their weights in files, so that those that were packed take no memory;
    /// in memory where no file can be had.
    private static func bytes(_ count: Int, _ next: () -> Float) -> HostBytes {
        if let file = unnamedFile(count, next) { return file.bytes(0..<file.byteCount) }
        let memory = HostAllocation(byteCount: count * MemoryLayout<Float>.size)
        let values = memory.pointer.bindMemory(to: Float.self)
        for index in values.indices { values[index] = next() }
        return memory.bytes
    }

    private static func unnamedFile(_ count: Int, _ next: () -> Float) -> MappedFile? {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var path = Array("\(folder)/infer-bench-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        guard descriptor >= 0 else { return nil }
        defer {
            close(descriptor)
            unlink(path)
        }
        let step = 1 << 18
        for first in stride(from: 0, to: count, by: step) {
            let values = (first..<min(first + step, count)).map { _ in next() }
            let byteCount = values.count * MemoryLayout<Float>.size
            guard values.withUnsafeBytes({ write(descriptor, $0.baseAddress, byteCount) }) == byteCount else {
                return nil
            }
        }
        return path.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }.flatMap {
            try? MappedFile(path: $0)
        }
    }
}
