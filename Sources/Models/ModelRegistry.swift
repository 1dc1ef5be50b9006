public import ModelIO

/// The architectures that this build knows, by `model_type`. Which head an encoder has, its `architectures` say.
public enum ModelRegistry {
    /// How to read a configuration of one kind of model.
    private enum Reader: Sendable {
        case decoder(@Sendable (ModelConfiguration) throws -> DecoderPlan)
        case encoder(@Sendable (ModelConfiguration) throws -> EncoderPlan)
        case encoderDecoder(@Sendable (ModelConfiguration) throws -> EncoderDecoderPlan)
        case vision(@Sendable (ModelConfiguration) throws -> VisionArchitecture)

        var kind: ModelKind {
            switch self {
            case .decoder: .decoder
            case .encoder: .encoder
            case .encoderDecoder: .encoderDecoder
            case .vision: .vision
            }
        }
    }

    private static let readers: [String: Reader] = [
        "gpt2": .decoder { try DecoderArchitecture.gpt2($0).plan($0) },
        "gpt_neox": .decoder { try DecoderArchitecture.gptNeoX($0).plan($0) },
        "llama": llama, "mistral": llama, "qwen2": llama, "qwen3": llama, "phi3": llama, "mixtral": llama,
        "qwen2_moe": llama, "qwen3_moe": llama,
        "gemma": gemma, "gemma2": gemma, "gemma3_text": gemma, "gemma3": gemma,
        "smollm3": .decoder { try DecoderArchitecture.smolLM3($0).plan($0) },
        "granite": granite, "granitemoe": granite, "granitemoeshared": granite,
        "internlm2": .decoder { try DecoderArchitecture.internLM2($0).plan($0) },
        "olmo2": olmo, "olmo3": olmo, "olmoe": .decoder { try DecoderArchitecture.olmoe($0).plan($0) },
        "exaone4": .decoder { try DecoderArchitecture.exaone4($0).plan($0) },
        "cohere": cohere, "cohere2": cohere,
        "glm": glm, "glm4": glm,
        "starcoder2": .decoder { try DecoderArchitecture.starCoder2($0).plan($0) },
        "gpt_bigcode": .decoder { try DecoderArchitecture.gptBigCode($0).plan($0) },
        "gptj": .decoder { try DecoderArchitecture.gptJ($0).plan($0) },
        "falcon": .decoder { try DecoderArchitecture.falcon($0).plan($0) },
        "opt": .decoder { try DecoderArchitecture.opt($0).plan($0) },
        "phi": .decoder { try DecoderArchitecture.phi($0).plan($0) },
        "stablelm": .decoder { try DecoderArchitecture.stableLM($0).plan($0) },
        "modernbert": .encoder { try RotaryEncoderArchitecture.modernBert($0).plan($0) },
        "nomic_bert": .encoder { try RotaryEncoderArchitecture.nomicBert($0).plan($0) },
        "bert": bert, "roberta": bert, "xlm-roberta": bert, "camembert": bert, "distilbert": bert, "electra": bert,
        "albert": bert, "mpnet": bert, "deberta-v2": bert,
        "t5": t5, "mt5": t5,
        "bart": bart, "mbart": bart, "marian": bart, "pegasus": bart, "m2m_100": bart,
    ].merging(visionReaders) { text, _ in text }

    /// Those of images; folders of timm and state dicts of torchvision name an `architecture`.
    private static let visionReaders: [String: Reader] = {
        var readers: [String: Reader] = [
            "lenet": .vision { try .leNet($0) }, "dcgan": .vision { try .dcgan($0) },
            "resnet": .vision { try .resNet($0) }, "vit": .vision { try .viT($0) }, "deit": .vision { try .viT($0) },
            "clip": .vision { try .clip($0) }, "clip_vision_model": .vision { try .clip($0) },
            "siglip": .vision { try .sigLIP($0) }, "siglip_vision_model": .vision { try .sigLIP($0) },
            "convnext": .vision { try .convNeXt($0) }, "convnextv2": .vision { try .convNeXt($0) },
            "efficientnet": .vision { try .efficientNet($0) },
            "dinov2": .vision { try .dinov2($0) }, "dinov2_with_registers": .vision { try .dinov2($0) },
            "mobilenet_v2": .vision { try .mobileNetV2($0) },
        ]
        for (name, make) in VisionArchitecture.torchModels { readers[name] = .vision(make) }
        return readers
    }()

    private static let llama = Reader.decoder { try DecoderArchitecture.llama($0).plan($0) }
    private static let granite = Reader.decoder { try DecoderArchitecture.granite($0).plan($0) }
    private static let gemma = Reader.decoder { try DecoderArchitecture.gemma($0).plan($0) }
    private static let olmo = Reader.decoder { try DecoderArchitecture.olmo($0).plan($0) }
    private static let cohere = Reader.decoder { try DecoderArchitecture.cohere($0).plan($0) }
    private static let glm = Reader.decoder { try DecoderArchitecture.glm($0).plan($0) }
    private static let bert = Reader.encoder { try BertConfiguration($0).plan($0) }
    private static let bart = Reader.encoderDecoder { try BartConfiguration($0).plan($0) }
    private static let t5 = Reader.encoderDecoder { try T5Configuration($0).plan($0) }

    /// The `model_type`s of a kind.
    public static func names(of kind: ModelKind) -> [String] {
        readers.filter { $0.value.kind == kind }.keys.sorted()
    }

    /// Whether a model can be loaded, as far as its `model_type` tells.
    public static func knows(_ configuration: ModelConfiguration) -> Bool {
        readers[configuration.modelType] != nil
    }

    /// What a model does; one that is not known here counts as a decoder, as which loading it fails.
    public static func kind(of configuration: ModelConfiguration) -> ModelKind {
        readers[configuration.modelType]?.kind ?? .decoder
    }

    /// Reads and checks a configuration.
    /// - Throws: `LoadError`; `.unsupportedValue` for an unknown `model_type`.
    public static func plan(_ configuration: ModelConfiguration) throws -> ModelPlan {
        switch readers[configuration.modelType] {
        case .decoder(let read): return .decoder(try read(configuration))
        case .encoder(let read): return .encoder(try read(configuration))
        case .encoderDecoder(let read): return .encoderDecoder(try read(configuration))
        case .vision(let read): return .vision(try read(configuration).plan(configuration))
        case nil: throw unknown(configuration, supported: readers.keys.filter { visionReaders[$0] == nil }.sorted())
        }
    }

    /// Reads the configuration of a decoder.
    /// - Throws: `LoadError`; `.unsupportedValue` for a `model_type` that is no decoder's.
    public static func decoderPlan(_ configuration: ModelConfiguration) throws -> DecoderPlan {
        guard case .decoder(let plan) = try plan(configuration) else {
            throw unknown(configuration, supported: names(of: .decoder))
        }
        return plan
    }

    /// Reads the configuration of an encoder.
    /// - Throws: `LoadError`; `.unsupportedValue` for a `model_type` that is no encoder's.
    public static func encoderPlan(_ configuration: ModelConfiguration) throws -> EncoderPlan {
        guard kind(of: configuration) == .encoder, case .encoder(let plan) = try plan(configuration) else {
            throw unknown(configuration, supported: names(of: .encoder))
        }
        return plan
    }

    /// Reads the configuration of an encoder-decoder.
    /// - Throws: `LoadError`; `.unsupportedValue` for a `model_type` that is no encoder-decoder's.
    public static func encoderDecoderPlan(_ configuration: ModelConfiguration) throws -> EncoderDecoderPlan {
        guard kind(of: configuration) == .encoderDecoder, case .encoderDecoder(let plan) = try plan(configuration)
        else { throw unknown(configuration, supported: names(of: .encoderDecoder)) }
        return plan
    }

    /// Reads the configuration of a model of images.
    /// - Throws: `LoadError`; `.unsupportedValue` for a `model_type` that is none's.
    public static func visionPlan(_ configuration: ModelConfiguration) throws -> VisionPlan {
        guard kind(of: configuration) == .vision, case .vision(let plan) = try plan(configuration)
        else { throw unknown(configuration, supported: names(of: .vision)) }
        return plan
    }

    private static func unknown(_ configuration: ModelConfiguration, supported: [String]) -> LoadError {
        .unsupportedValue(
            path: configuration.path, key: "model_type", value: configuration.modelType, supported: supported)
    }
}
