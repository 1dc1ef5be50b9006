import JSONCore
import ModelIO
import Models
import TensorCore
import Tokenization

/// JSON for scripts.
extension ModelInspection {
    func json(listsTensors: Bool, listsLayers: Bool) -> String {
        var writer = JSONWriter()
        func add(_ key: String, _ value: Int?) {
            if let value { writer.member(key, value) }
        }
        writer.beginObject()
        writer.member("model", name)
        writer.member("model_type", configuration.modelType)
        writer.key("architectures")
        writer.beginArray()
        for architecture in configuration.architectures { writer.value(architecture) }
        writer.endArray()
        writer.member("runnable", isRunnable)
        if let obstacle { writer.member("reason", obstacle) }
        if let command { writer.member("command", command) }
        writeEncoder(to: &writer)
        vision?.write(to: &writer, listsLayers: listsLayers)
        add("layers", layerCount)
        add("hidden_size", attention?.hiddenSize)
        add("heads", attention?.headCount)
        add("key_value_heads", attention?.keyValueHeadCount)
        add("head_size", attention?.headSize)
        add("vocab_size", vocabularySize)
        add("context_length", maximumContextLength)
        writeWindows(to: &writer)
        writer.member("parameters", checkpoint.elementCount)
        writer.member("tensor_count", checkpoint.tensors.count)
        writer.member("weight_bytes", checkpoint.byteCount)
        writeFormats(to: &writer)
        writeTokenizer(to: &writer)
        writeMemory(to: &writer)
        if listsTensors { writeTensors(to: &writer) }
        writer.endObject()
        return writer.text
    }

    private func writeWindows(to writer: inout JSONWriter) {
        guard !slidingWindows.isEmpty else { return }
        writer.key("sliding_windows")
        writer.beginArray()
        for window in slidingWindows {
            writer.beginObject()
            writer.member("tokens", window.tokenCount)
            writer.member("layers", window.layerCount)
            writer.endObject()
        }
        writer.endArray()
    }

    private func writeFormats(to writer: inout JSONWriter) {
        writer.key("formats")
        writer.beginObject()
        for share in formats {
            writer.key(share.name)
            writer.beginObject()
            writer.member("tensors", share.tensorCount)
            writer.member("parameters", share.parameterCount)
            writer.member("bytes", share.byteCount)
            writer.endObject()
        }
        writer.endObject()
    }

    private func writeTokenizer(to writer: inout JSONWriter) {
        writer.key("tokenizer")
        guard let tokenizer else { return writer.null() }
        writer.beginObject()
        writer.member("model", tokenizer.model.name)
        writer.member("vocab_size", tokenizer.vocabularySize)
        writer.endObject()
    }

    private func writeEncoder(to writer: inout JSONWriter) {
        guard let encoder else { return }
        writer.member("task", encoder.task.rawValue)
        writer.key("labels")
        writer.beginArray()
        for label in encoder.labels { writer.value(label) }
        writer.endArray()
    }

    private func writeMemory(to writer: inout JSONWriter) {
        guard let contextLength, cacheByteCount != nil || activationByteCount != nil else { return }
        writer.key("memory")
        writer.beginObject()
        writer.member("context_length", contextLength)
        writer.member("weight_bytes", checkpoint.byteCount)
        if let cacheTokenCount { writer.member("kv_cache_tokens", cacheTokenCount) }
        if let cacheByteCount { writer.member("kv_cache_bytes", cacheByteCount) }
        if let activationByteCount { writer.member("activation_bytes", activationByteCount) }
        writer.endObject()
    }

    private func writeTensors(to writer: inout JSONWriter) {
        writer.key("tensors")
        writer.beginArray()
        for tensor in sortedTensors {
            writer.beginObject()
            writer.member("name", tensor.name)
            writer.member("dtype", tensor.type.rawValue)
            writer.member("shape", tensor.shape.extents)
            writer.endObject()
        }
        writer.endArray()
    }
}
