import ModelIO
import TensorCore

extension ModelConfiguration {
    /// The labels of a classification of images: `id2label`, else as many as `num_labels` or `num_classes` says.
    func imageLabels(default count: Int) throws -> [String] {
        if keys.value("id2label") != nil { return try labels() }
        if let names = try keys.strings("label_names"), !names.isEmpty { return names }
        let count = try keys.optionalSize("num_labels", "num_classes", maximum: SizeLimit.heads) ?? count
        return (0..<count).map { "LABEL_\($0)" }
    }

    /// A model that classifies images of any size, or makes features of them, as the class says that it was saved from.
    func imageDescription() throws -> VisionDescription {
        let isClassifier = isArchitecture("ForImageClassification", default: true)
        return VisionDescription(
            architecture: modelType, task: isClassifier ? .classification : .features,
            channelCount: try keys.optionalSize("num_channels") ?? 3, inputSize: nil, isSizeFixed: false,
            labels: isClassifier ? try imageLabels(default: 2) : [])
    }

    /// A model by the names of torchvision or timm, which classifies images of any size. One without classes
    /// (`"num_classes": 0`, or `TimmWrapperModel` of `transformers`) makes features.
    func torchDescription() throws -> VisionDescription {
        let count = try keys.optionalInteger("num_classes", in: 0...SizeLimit.heads)
        let isClassifier = count != 0 && !isArchitecture("WrapperModel", default: false)
        return VisionDescription(
            architecture: modelType, task: isClassifier ? .classification : .features,
            channelCount: try pretrainedChannels(), inputSize: nil, isSizeFixed: false,
            labels: isClassifier ? try imageLabels(default: 1000) : [])
    }

    /// Channels of an image, of `model_args` or else `pretrained_cfg` in folders of timm.
    private func pretrainedChannels() throws -> Int {
        if let count = try keys.optionalSize("num_channels", "in_chans") { return count }
        if let count = try keys.object("model_args")?.optionalSize("in_chans") { return count }
        return try keys.object("pretrained_cfg")?.integers("input_size", in: 1...SizeLimit.width)?.first ?? 3
    }

    /// Whether one of the classes that the checkpoint was saved from has `suffix`; with none named, `default`.
    func isArchitecture(_ suffix: String, default: Bool) -> Bool {
        architectures.isEmpty ? `default` : architectures.contains { $0.hasSuffix(suffix) }
    }

    /// Height and width under `key`, which holds one number for both or two.
    func imageSize(_ key: String, default size: Int) throws -> Extent2D {
        try keys.imageSize(key) ?? Extent2D(size)
    }
}

extension ConfigurationReader {
    /// A size of both directions, or an array of height and width; `nil` where it is absent.
    func imageSize(_ key: String) throws -> Extent2D? {
        guard let (_, value) = value(key) else { return nil }
        if value.array != nil {
            guard let both = try integers(key, in: 1...SizeLimit.width), both.count == 2 else {
                throw invalid(key, value, expected: "a size, or two")
            }
            return Extent2D(height: both[0], width: both[1])
        }
        return Extent2D(try size(key))
    }
}
