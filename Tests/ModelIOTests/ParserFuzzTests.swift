import ModelIO
import TensorCore
import TestSupport
import Testing

/// Seeded mutations of good files: whatever they hold, parsing ends in a value or a `LoadError`, never in a trap.
@Suite struct ParserFuzzTests {
    private static let runs = 34_000

    private func isTyped(_ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch let error as LoadError {
            return !error.description.isEmpty
        } catch {
            return false
        }
    }

    private func fuzz(_ seeds: [[UInt8]], seed: UInt64, _ parse: ([UInt8]) throws -> Void) {
        var generator = SplitMix64(seed: seed)
        var accepted = 0
        for run in 0..<Self.runs {
            let mutated = generator.mutate(seeds[run % seeds.count])
            var finished = false
            let typed = isTyped {
                try parse(mutated)
                finished = true
            }
            if !typed { Issue.record("untyped error for \(mutated)") }
            if finished { accepted += 1 }
        }
        // Mutations that all fail at the first byte would test little.
        #expect(accepted > 100 && accepted < Self.runs)
    }

    @Test func safetensors() {
        let headers = [
            #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#,
            #"{"b":{"dtype":"BF16","shape":[4],"data_offsets":[16,24]},"a":{"dtype":"I64","shape":[],"#
                + #""data_offsets":[0,8]},"c":{"dtype":"U8","shape":[8,1],"data_offsets":[8,16]}}  "#,
        ]
        fuzz(headers.map { ModelIOTests.safetensors($0, dataByteCount: 24) }, seed: 1) { bytes in
            try bytes.withUnsafeBytes { bytes in
                let header = try SafetensorsFile.headerRange(of: bytes, path: "f")
                let parsed = try SafetensorsHeader(
                    parsing: UnsafeRawBufferPointer(rebasing: bytes[header]), path: "f",
                    dataByteCount: bytes.count - header.upperBound)
                for entry in parsed.entries {
                    precondition(entry.range.upperBound <= bytes.count - header.upperBound)
                    precondition(entry.range.count == entry.shape.elementCount * entry.type.blockByteCount)
                }
            }
        }
    }

    @Test func index() {
        let texts = [
            #"{"metadata":{"total_size":8},"weight_map":{"a.w":"model-1.safetensors","b.w":"model-2.safetensors"}}"#,
            #"{"weight_map":{"a":"x","b":"x","c":"sub/y"}}"#,
        ]
        fuzz(texts.map { Array($0.utf8) }, seed: 2) { bytes in
            let index = try SafetensorsIndex(parsing: bytes, path: "i")
            precondition(index.shards.allSatisfy { !$0.file.contains("..") || !$0.file.contains("../") })
        }
    }

    @Test func configuration() {
        let texts = [
            #"{"model_type":"llama","hidden_size":64,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,"#
                + #""rope_parameters":{"rope_type":"yarn","factor":4.0,"rope_theta":1e4,"beta_fast":32,"mscale":1},"#
                + #""max_position_embeddings":512,"dtype":"float32","eos_token_id":[1,2],"temperature":0.5}"#,
            #"{"model_type":"gpt2","n_embd":64,"n_head":4,"n_inner":null,"eos_token_id":2,"top_k":5,"rope_theta":1e4,"#
                + #""rope_scaling":{"type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"#
                + #""original_max_position_embeddings":64},"tie_word_embeddings":true,"architectures":["G"]}"#,
        ]
        fuzz(texts.map { Array($0.utf8) }, seed: 3) { bytes in
            let configuration = try ModelConfiguration(parsing: bytes, path: "c")
            _ = try GenerationConfiguration(parsing: bytes, path: "g")
            _ = try configuration.tiesWordEmbeddings()
            _ = try configuration.slidingWindow()
            _ = try configuration.declaredType()
            let geometry = try configuration.attentionGeometry()
            let rope = try configuration.rope(headSize: geometry.headSize)
            guard rope.rotarySize <= 4096 else { return }
            let table = rope.table(positions: 2)
            precondition(table.allSatisfy(\.isFinite), "table of \(rope)")
        }
    }
}
