import CommandSupport
import Foundation
import Inference
import Models
import Tokenization

/// With which command a model runs.
extension ModelInspection {
    /// Whether the model runs on this machine, with which command, or why not.
    var runsHere: String {
        if let obstacle { return "no: \(obstacle)" }
        let there = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        guard neededByteCount <= there else {
            return "no: it needs \(Self.bytes(neededByteCount)) of memory, this machine has \(Self.bytes(there)); "
                + "a smaller --ctx or --kv-dtype, or infer quantize, may help"
        }
        return "yes: \(command ?? "")"
    }

    /// The command that does what the model is for; `nil` where it does not run.
    var command: String? {
        guard isRunnable else { return nil }
        let model = name == ModelPackage.bundledName ? "" : " --model \(Self.quoted(name))"
        switch kind {
        case .encoderDecoder: return "infer translate\(model) TEXT"
        case .vision:
            switch vision?.description.task {
            case .classification: return "infer classify\(model) --image FILE"
            case .generation: return "infer imagine\(model) -o OUT.png"
            case .features: return "infer classify\(model) --labels A,B --image FILE"
            case nil: return "infer forward\(model) --inputs A.safetensors --outputs B.safetensors"
            }
        case .decoder:
            let isChat = tokenizer?.configuration.chatTemplate != nil
            return isChat ? "infer chat\(model)" : "infer generate\(model) PROMPT"
        case .encoder:
            switch encoder?.task {
            case .maskedLanguageModel: return "infer fill-mask\(model) TEXT"
            case .nextSentence: return "infer classify\(model) TEXT --pair TEXT2"
            case .sequenceClassification:
                return encoder?.labels.count == 1
                    ? "infer rerank\(model) --query QUERY DOCUMENT..." : "infer classify\(model) TEXT"
            case .tokenClassification: return "infer tag\(model) TEXT"
            case .questionAnswering: return "infer answer\(model) --question QUESTION CONTEXT"
            case .hiddenStates, nil: return "infer embed\(model) TEXT"
            }
        }
    }

    /// An argument as a shell takes it.
    private static func quoted(_ argument: String) -> String {
        let isPlain = argument.unicodeScalars.allSatisfy {
            $0.properties.isAlphabetic || ("0"..."9").contains($0) || "/._-+@:,=".unicodeScalars.contains($0)
        }
        return isPlain ? argument : "'" + argument.replacing("'", with: "'\\''") + "'"
    }
}
