import ModelIO

extension VisionArchitecture {
    /// Models by the names that torchvision and timm call their architectures.
    static let torchModels: [String: @Sendable (ModelConfiguration) throws -> VisionArchitecture] = {
        var models: [String: @Sendable (ModelConfiguration) throws -> VisionArchitecture] = [
            "alexnet": { try alexNet($0) }, "inception_v3": { try inceptionV3($0) },
            "resnet18": { try torchResNet($0, depths: [2, 2, 2, 2], isBottleneck: false) },
            "resnet34": { try torchResNet($0, depths: [3, 4, 6, 3], isBottleneck: false) },
            "resnet50": { try torchResNet($0, depths: [3, 4, 6, 3], isBottleneck: true) },
            "resnet101": { try torchResNet($0, depths: [3, 4, 23, 3], isBottleneck: true) },
            "resnet152": { try torchResNet($0, depths: [3, 8, 36, 3], isBottleneck: true) },
            "wide_resnet50_2": { try torchResNet($0, depths: [3, 4, 6, 3], isBottleneck: true) },
            "wide_resnet101_2": { try torchResNet($0, depths: [3, 4, 23, 3], isBottleneck: true) },
            "resnext50_32x4d": {
                try torchResNet($0, depths: [3, 4, 6, 3], isBottleneck: true, groups: 32)
            },
            "resnext101_32x8d": {
                try torchResNet($0, depths: [3, 4, 23, 3], isBottleneck: true, groups: 32)
            },
            "resnext101_64x4d": {
                try torchResNet($0, depths: [3, 4, 23, 3], isBottleneck: true, groups: 64)
            },
        ]
        let depths = [
            "vgg11": [1, 1, 2, 2, 2], "vgg13": [2, 2, 2, 2, 2], "vgg16": [2, 2, 3, 3, 3], "vgg19": [2, 2, 4, 4, 4],
        ]
        for (name, depths) in depths {
            models[name] = { try vgg($0, depths: depths, hasNorms: false) }
            models[name + "_bn"] = { try vgg($0, depths: depths, hasNorms: true) }
        }
        for (name, size) in TimmViTSize.named { models[name] = { try timmViT($0, size) } }
        for (name, model) in TimmMobileNet.named { models[name] = { try timmMobileNet($0, model) } }
        for size in ["atto", "femto", "pico", "nano", "tiny", "small", "base", "large", "xlarge"] {
            models["convnext_" + size] = { try timmConvNeXt($0) }
        }
        return models
    }()
}
