/// The classes of transformers 5 that make a tokenizer of files older than `tokenizer.json`, under the names they have
/// there without "Tokenizer".
enum TokenizerClass: String, Sendable {
    /// Whatever the files themselves say (`TokenizersBackend`).
    case backend
    case llama, codeLlama, gemma
    case t5, xlmRoberta, camembert, albert, debertaV2, pegasus
    case bert, mpnet
    case gpt2, qwen2, roberta, gptNeoX

    /// The class that `AutoTokenizer` takes (`tokenization_auto.py` of transformers 5.24): the one named, unless the model
    /// has one of its own kind that is known to be named wrongly.
    init(configuration: TokenizerConfiguration) {
        let declared = configuration.tokenizerClass.map { $0.hasSuffix("Fast") ? String($0.dropLast(4)) : $0 }
        let ofModel = configuration.modelType.flatMap { TokenizerClass.byModelType[$0] }
        guard let declared else {
            self = ofModel ?? .backend
            return
        }
        let named = TokenizerClass.byName[declared] ?? .backend
        guard let ofModel, ofModel != named else {
            self = named
            return
        }
        guard ofModel != .backend else {
            self = .backend
            return
        }
        let isNamedWrongly = configuration.modelType.map { TokenizerClass.wronglyNamed.contains($0) } ?? false
        self = isNamedWrongly ? ofModel : named
    }

    private static let wronglyNamed: Set<String> = ["qwen2"]

    private static let byName: [String: TokenizerClass] = [
        "LlamaTokenizer": .llama, "Phi3Tokenizer": .llama, "CodeLlamaTokenizer": .codeLlama,
        "GemmaTokenizer": .gemma, "T5Tokenizer": .t5, "XLMRobertaTokenizer": .xlmRoberta,
        "CamembertTokenizer": .camembert, "AlbertTokenizer": .albert, "DebertaV2Tokenizer": .debertaV2,
        "PegasusTokenizer": .pegasus, "BertTokenizer": .bert, "DistilBertTokenizer": .bert,
        "ElectraTokenizer": .bert, "MobileBertTokenizer": .bert, "LayoutLMTokenizer": .bert,
        "SqueezeBertTokenizer": .bert, "ConvBertTokenizer": .bert, "MPNetTokenizer": .mpnet,
        "GPT2Tokenizer": .gpt2, "CodeGenTokenizer": .gpt2, "Qwen2Tokenizer": .qwen2,
        "RobertaTokenizer": .roberta, "BartTokenizer": .roberta, "LEDTokenizer": .roberta,
        "LongformerTokenizer": .roberta, "MvpTokenizer": .roberta, "GPTNeoXTokenizer": .gptNeoX,
    ]

    private static let byModelType: [String: TokenizerClass] = [
        "mistral": .backend, "mixtral": .backend, "phi3": .backend, "gpt_bigcode": .backend, "stablelm": .backend,
        "granite": .backend, "granitemoe": .backend, "granitemoeshared": .backend, "olmo2": .backend,
        "olmo3": .backend, "internlm2": .backend, "umt5": .backend, "modernbert": .backend, "ernie4_5": .backend,
        "glm": .backend, "glm4": .backend, "code_llama": .codeLlama, "gemma": .gemma, "gemma2": .gemma,
        "gemma3": .gemma, "gemma3_text": .gemma, "gemma3n": .gemma, "gemma3n_text": .gemma, "t5": .t5, "mt5": .t5,
        "xlm-roberta": .xlmRoberta,
        "camembert": .camembert, "albert": .albert, "deberta-v2": .debertaV2, "pegasus": .pegasus, "bert": .bert,
        "distilbert": .bert, "electra": .bert, "nomic_bert": .bert, "mobilebert": .bert, "mpnet": .mpnet,
        "gpt2": .gpt2, "gptj": .gpt2, "gpt_neo": .gpt2, "opt": .gpt2, "phi": .gpt2, "starcoder2": .gpt2,
        "codegen": .gpt2, "qwen2": .qwen2, "qwen3": .qwen2, "qwen2_moe": .qwen2, "qwen3_moe": .qwen2,
        "bart": .roberta, "roberta": .roberta, "longformer": .roberta, "gpt_neox": .gptNeoX, "olmo": .gptNeoX,
        "olmoe": .gptNeoX,
    ]

    /// The tokens that have roles where no file names others.
    var defaultRoles: [TokenizerConfiguration.Role: String] {
        switch self {
        case .backend: [:]
        case .llama, .codeLlama: [.unknown: "<unk>", .beginningOfSequence: "<s>", .endOfSequence: "</s>"]
        case .gemma:
            [
                .unknown: "<unk>", .beginningOfSequence: "<bos>", .endOfSequence: "<eos>", .padding: "<pad>",
                .mask: "<mask>",
            ]
        case .t5: [.endOfSequence: "</s>", .unknown: "<unk>", .padding: "<pad>"]
        case .xlmRoberta, .camembert, .roberta:
            [
                .beginningOfSequence: "<s>", .endOfSequence: "</s>", .separator: "</s>", .classifier: "<s>",
                .unknown: "<unk>", .padding: "<pad>", .mask: "<mask>",
            ]
        case .albert, .debertaV2:
            [
                .beginningOfSequence: "[CLS]", .endOfSequence: "[SEP]", .separator: "[SEP]", .classifier: "[CLS]",
                .unknown: self == .albert ? "<unk>" : "[UNK]", .padding: self == .albert ? "<pad>" : "[PAD]",
                .mask: "[MASK]",
            ]
        case .pegasus: [.padding: "<pad>", .endOfSequence: "</s>", .unknown: "<unk>", .mask: "<mask_2>"]
        case .bert:
            [
                .unknown: "[UNK]", .separator: "[SEP]", .padding: "[PAD]", .classifier: "[CLS]", .mask: "[MASK]",
            ]
        case .mpnet:
            [
                .beginningOfSequence: "<s>", .endOfSequence: "</s>", .separator: "</s>", .classifier: "<s>",
                .unknown: "[UNK]", .padding: "<pad>", .mask: "<mask>",
            ]
        case .gpt2:
            [
                .unknown: "<|endoftext|>", .beginningOfSequence: "<|endoftext|>", .endOfSequence: "<|endoftext|>",
            ]
        case .qwen2: [.unknown: "<|endoftext|>", .endOfSequence: "<|endoftext|>", .padding: "<|endoftext|>"]
        case .gptNeoX:
            [
                .unknown: "<|endoftext|>", .beginningOfSequence: "<|endoftext|>", .endOfSequence: "<|endoftext|>",
                .padding: "<|padding|>",
            ]
        }
    }

    /// Whether the mask token takes the whitespace before it where no file describes it.
    var maskStripsLeft: Bool { self == .camembert || self == .mpnet }
}
