import ModelIO

extension VisionArchitecture {
    /// Models by the names that torchvision and timm call their architectures.
    static let torchModels: [String: @Sendable (ModelConfiguration) throws -> VisionArchitecture] = {
        var models: [String: @Sendable (ModelConfiguration) throws -> VisionArchitecture] = [
            "alexnet": { try alexNet($0) }, "inception_v3": { try inceptionV3($0) },
        ]
        for (name, depths) in torchResNets { models[name] = { try torchResNet($0, depths: depths) } }
        let depths = [
            "vgg11": [1, 1, 2, 2, 2], "vgg13": [2, 2, 2, 2, 2], "vgg16": [2, 2, 3, 3, 3], "vgg19": [2, 2, 4, 4, 4],
        ]
        for (name, depths) in depths {
            models[name] = { try vgg($0, depths: depths, hasNorms: false) }
            models[name + "_bn"] = { try vgg($0, depths: depths, hasNorms: true) }
        }
        for (name, size) in TorchViTSize.named { models[name] = { try torchViT($0, size) } }
        for (name, size) in TimmViTSize.named { models[name] = { try timmViT($0, size) } }
        for (name, model) in TimmMobileNet.named { models[name] = { try timmMobileNet($0, model) } }
        for (name, model) in TorchMobileNet.named {
            guard let timm = TimmMobileNet.named[name] else {
                models[name] = { try torchMobileNet($0, model) }
                continue
            }
            // Both libraries call it the same.
            models[name] = { file in
                let torchvision = try torchMobileNet(file, model)
                let timm = try timmMobileNet(file, timm)
                return VisionArchitecture(description: torchvision.description) { net, x in
                    try (net.contains("features.0.0.weight") ? torchvision : timm).build(net, x)
                }
            }
        }
        for size in ["atto", "femto", "pico", "nano", "tiny", "small", "base", "large", "xlarge", "huge"] {
            models["convnext_" + size] = { try torchConvNeXt($0) }
            models["convnextv2_" + size] = { try torchConvNeXt($0) }
        }
        return models
    }()

    /// Blocks of each stage by the names of torchvision and timm. What else the names say lies in the tensors: the kind of
    /// block (18 and 34 layers have two convolutions in each), groups (`32x4d`), widths, a stem of three convolutions and
    /// pooling before shortcuts (`c`, `d`, `s`, `t`), squeeze and excitation (`se`).
    private static let torchResNets: [String: [Int]] = {
        let depths: [Int: [Int]] = [
            10: [1, 1, 1, 1], 14: [1, 1, 1, 1], 18: [2, 2, 2, 2], 26: [2, 2, 2, 2], 34: [3, 4, 6, 3],
            50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3], 200: [3, 24, 36, 3],
        ]
        let names = [
            "resnet": ["10t", "14t", "18", "18d", "26", "26d", "26t", "34", "34d", "50", "50c", "50d", "50s", "50t"]
                + ["101", "101c", "101d", "101s", "152", "152c", "152d", "152s", "200", "200d"],
            "seresnet": ["18", "26d", "26t", "34", "50", "50t", "101", "152", "152d", "200d"],
            "wide_resnet": ["50_2", "101_2"],
            "resnext": ["50_32x4d", "50d_32x4d", "101_32x4d", "101_32x8d", "101_32x16d", "101_32x32d", "101_64x4d"],
            "seresnext": ["26d_32x4d", "26t_32x4d", "50_32x4d", "101_32x4d", "101_32x8d", "101d_32x8d", "101_64x4d"],
        ]
        var result: [String: [Int]] = [:]
        for (family, variants) in names {
            for variant in variants { result[family + variant] = depths[Int(variant.prefix(while: \.isNumber)) ?? 0] }
        }
        return result
    }()
}
