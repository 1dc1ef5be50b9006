import ModelIO
import TestSupport
import Testing

@Suite struct BadConfigurationTests {
    private static let sizes =
        #""model_type":"llama","hidden_size":64,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":384,"#
        + #""max_position_embeddings":64,"#

    /// Reads what a decoder reads.
    private func readAll(_ text: String) throws {
        let configuration = try ModelConfiguration(parsing: Array(text.utf8), path: "m/config.json")
        let geometry = try configuration.attentionGeometry()
        _ = try configuration.keys.size("vocab_size", maximum: SizeLimit.vocabulary)
        _ = try configuration.keys.number("rms_norm_eps", in: NumberRange.positive)
        _ = try configuration.keys.optionalString("hidden_act")
        _ = try configuration.declaredType()
        _ = try configuration.tiesWordEmbeddings()
        _ = try configuration.slidingWindow()
        _ = try configuration.rope(headSize: geometry.headSize).table(positions: 3)
    }

    /// What `{… , \(members)}` must be refused for.
    static let cases: [BadInput] = [
        BadInput(#""num_attention_heads":null"#, "key 'num_attention_heads' or 'n_head' or 'num_heads' is missing"),
        BadInput(#""num_attention_heads":"x""#, #"key 'num_attention_heads': expected a positive integer, found "x""#),
        BadInput(#""num_attention_heads":0"#, "'num_attention_heads': expected a positive integer, found 0"),
        BadInput(#""num_attention_heads":-4"#, "'num_attention_heads'", "found -4"),
        BadInput(#""num_attention_heads":4.5"#, "'num_attention_heads'", "found 4.5"),
        BadInput(#""num_attention_heads":[4]"#, "'num_attention_heads'", "found an array"),
        BadInput(#""num_attention_heads":65537"#, "'num_attention_heads'", "up to 65536"),
        BadInput(#""hidden_size":1e400"#, "'hidden_size'", "out of range"),
        BadInput(#""hidden_size":99999999999999999999"#, "'hidden_size'", "1e+20"),
        BadInput(#""hidden_size":16777217"#, "'hidden_size'", "up to 16777216"),
        BadInput(#""hidden_size":65"#, "'hidden_size' and 'num_attention_heads' contradict", "65 features"),
        BadInput(#""num_key_value_heads":3"#, "'num_attention_heads' and 'num_key_value_heads' contradict"),
        BadInput(#""num_key_value_heads":8"#, "'num_attention_heads' and 'num_key_value_heads' contradict"),
        BadInput(#""head_dim":16777216"#, "'num_attention_heads' and 'head_dim' contradict"),
        BadInput(#""head_dim":15"#, "'partial_rotary_factor' and 'head_dim' contradict", "15 rotated"),
        BadInput(#""head_dim":true"#, "'head_dim'", "found true"),
        BadInput(#""vocab_size":268435457"#, "'vocab_size'"),
        BadInput(#""rms_norm_eps":0"#, "'rms_norm_eps': expected a positive number, found 0"),
        BadInput(#""rms_norm_eps":NaN"#, "'rms_norm_eps'"),
        BadInput(#""rms_norm_eps":Infinity"#, "'rms_norm_eps'"),
        BadInput(#""hidden_act":3"#, "'hidden_act': expected a string, found 3"),
        BadInput(#""torch_dtype":16"#, "'torch_dtype': expected a string"),
        BadInput(#""tie_word_embeddings":"yes""#, "'tie_word_embeddings': expected true or false, found \"yes\""),
        BadInput(#""sliding_window":-1"#, "'sliding_window'", "found -1"),
        BadInput(#""architectures":"LlamaForCausalLM""#, "'architectures': expected an array of strings"),
        BadInput(#""architectures":[1]"#, "'architectures'"),
        BadInput(#""model_type":null"#, "'model_type' is missing"),
        BadInput(#""model_type":7"#, "'model_type': expected a string, found 7"),
        BadInput(#""quantization_config":{"quant_method":"aqlm"}"#, "quantization_config 'aqlm' is not supported"),
        BadInput(#""rope_theta":0"#, "'rope_theta'"),
        BadInput(#""rope_theta":"big""#, "'rope_theta'", "\"big\""),
        BadInput(#""partial_rotary_factor":1.5"#, "'partial_rotary_factor'"),
        BadInput(#""partial_rotary_factor":0"#, "'partial_rotary_factor' and 'head_dim'"),
        BadInput(#""rotary_dim":17"#, "'rotary_dim' and 'head_dim'"),
        BadInput(#""rotary_dim":3"#, "'rotary_dim' and 'head_dim'"),
        BadInput(#""rope_scaling":"linear""#, "'rope_scaling': expected an object"),
        BadInput(#""rope_scaling":{"type":"ntk"}"#, "rope_scaling.rope_type 'ntk' is not supported", "yarn"),
        BadInput(#""rope_scaling":{"type":"longrope","factor":2}"#, "'rope_scaling.short_factor' is missing"),
        BadInput(
            #""rope_scaling":{"type":"longrope","factor":2,"short_factor":[1],"long_factor":[0]}"#,
            "'rope_scaling.short_factor': expected "),
        BadInput(#""rope_scaling":{"type":"linear"}"#, "'rope_scaling.factor' is missing"),
        BadInput(#""rope_scaling":{"type":"linear","factor":0}"#, "'rope_scaling.factor'"),
        BadInput(#""rope_scaling":{"type":"linear","factor":null}"#, "'rope_scaling.factor' is missing"),
        BadInput(
            #""rope_scaling":{"type":"linear","rope_type":"yarn","factor":2}"#,
            "'rope_scaling.rope_type' and 'rope_scaling.type' contradict"),
        BadInput(
            #""rope_parameters":{"rope_type":"llama3","factor":8}"#, "'rope_parameters.low_freq_factor' is missing"),
        BadInput(
            #""rope_parameters":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4}"#,
            "'rope_parameters.low_freq_factor' and 'rope_parameters.high_freq_factor' contradict"),
        BadInput(
            #""rope_parameters":{"rope_type":"yarn","factor":8,"beta_fast":1,"beta_slow":32}"#,
            "'rope_parameters.beta_fast' and 'rope_parameters.beta_slow' contradict"),
        BadInput(#""rope_parameters":{"rope_type":"yarn","factor":8,"truncate":1}"#, "'rope_parameters.truncate'"),
    ]

    @Test(arguments: cases)
    func isRefused(_ bad: BadInput) {
        // The last of several equal keys counts.
        let text = errorText { try readAll(#"{\#(Self.sizes)"rms_norm_eps":1e-6,\#(bad.input)}"#) }
        bad.check(text)
        #expect(text?.contains("m/config.json") == true)
    }

    @Test func theSizesAloneAreGood() throws {
        try readAll(#"{\#(Self.sizes)"rms_norm_eps":1e-6}"#)
    }

    @Test func missingKeysAreNamed() {
        let text = errorText { try readAll(#"{"model_type":"other"}"#) }
        #expect(text == "m/config.json: key 'hidden_size' or 'n_embd' or 'd_model' is missing")
        let broken = errorText { try readAll("{\"model_type\":") }
        #expect(broken?.contains("m/config.json: invalid JSON at line 1") == true)
        #expect(errorText { try readAll("[1]") } == "m/config.json: is an array, expected an object")
    }

    @Test(arguments: [
        BadInput(#"{"eos_token_id":"x"}"#, "'eos_token_id'", "a token id"),
        BadInput(#"{"eos_token_id":[1,-2]}"#, "'eos_token_id'", "-2"),
        BadInput(#"{"eos_token_id":99999999999}"#, "'eos_token_id'"),
        BadInput(#"{"eos_token_id":["a"]}"#, "'eos_token_id'", "\"a\""),
        BadInput(#"{"bos_token_id":"<s>"}"#, "'bos_token_id'"),
        BadInput(#"{"do_sample":1}"#, "'do_sample'"),
        BadInput(#"{"sequence_bias":{"5":1}}"#, "'sequence_bias': expected arrays of token ids", "found an object"),
        BadInput(#"{"sequence_bias":[]}"#, "'sequence_bias'", "found an empty array"),
        BadInput(#"{"sequence_bias":[[[1],0.5],[[2]]]}"#, "'sequence_bias[1]'", "found an array of 1"),
        BadInput(#"{"sequence_bias":[[[],0.5]]}"#, "'sequence_bias[0][0]'", "found an empty array"),
        BadInput(
            #"{"sequence_bias":[[[1],0.5],[[2,-3],1]]}"#, "'sequence_bias[1][0][1]': expected a token id, found -3"),
        BadInput(
            #"{"sequence_bias":[[[1],"much"]]}"#, #"'sequence_bias[0][1]': expected a finite number, found "much""#),
        BadInput(#"{"bad_words_ids":[[1],[2,"a"]]}"#, #"'bad_words_ids[1][1]': expected a token id, found "a""#),
        BadInput(#"{"bad_words_ids":[7]}"#, "'bad_words_ids[0]': expected an array of token ids, found 7"),
        BadInput(
            #"{"exponential_decay_length_penalty":["a",1.1]}"#,
            #"'exponential_decay_length_penalty[0]': expected a number of tokens, found "a""#),
        BadInput(
            #"{"exponential_decay_length_penalty":[3,null]}"#,
            "'exponential_decay_length_penalty[1]': expected a finite number, found null"),
        BadInput(#"{"suppress_tokens":[1,2.5]}"#, "'suppress_tokens'", "found an array whose element 1 is 2.5"),
    ])
    func generationConfigurationIsRefused(_ bad: BadInput) {
        bad.check(
            errorText {
                _ = try GenerationConfiguration(parsing: Array(bad.input.utf8), path: "generation_config.json")
            })
    }

    @Test func generationConfigurationIsRead() throws {
        let text =
            #"{"eos_token_id":[2,5],"bos_token_id":1,"pad_token_id":-1,"do_sample":true,"temperature":0.6,"top_k":40,"#
            + #""top_p":0.9,"repetition_penalty":1.1,"max_length":4096,"unknown":{}}"#
        let generation = try GenerationConfiguration(parsing: Array(text.utf8), path: "generation_config.json")
        #expect(generation.eosTokenIDs == [2, 5] && generation.bosTokenID == 1 && generation.padTokenID == nil)
        #expect(generation.samples == true && generation.temperature == 0.6 && generation.topK == 40)
        #expect(generation.topP == 0.9 && generation.repetitionPenalty == 1.1 && generation.maximumLength == 4096)
    }

    /// What a model only recommends is left aside with a notice where it cannot be followed.
    @Test(arguments: [
        "\"temperature\":-1", "\"temperature\":NaN", "\"temperature\":\"hot\"", "\"top_p\":1.01", "\"top_k\":-2",
        "\"min_p\":2", "\"repetition_penalty\":0", "\"max_length\":1.5", "\"max_new_tokens\":-3",
    ])
    func recommendationsOutOfRangeAreNotices(_ member: String) throws {
        let text = "{\"eos_token_id\":2,\(member)}"
        let generation = try GenerationConfiguration(parsing: Array(text.utf8), path: "g.json")
        let key = try #require(member.split(separator: "\"").first)
        #expect(generation.notices.count == 1 && generation.notices.first?.contains("g.json: key '\(key)'") == true)
        #expect(generation.eosTokenIDs == [2])
        var rest = generation
        rest.notices = []
        rest.eosTokenIDs = []
        #expect(rest == GenerationConfiguration())
    }

    @Test func topKOfAllTokensIsRead() throws {
        for value in ["0", "-1", "0.0"] {
            let generation = try GenerationConfiguration(parsing: Array("{\"top_k\":\(value)}".utf8), path: "g.json")
            #expect(generation.topK == 0 && generation.notices.isEmpty)
        }
    }

    /// A key that the other file has already is checked all the same.
    @Test func endsOfTheWrongKindAreNamedInEitherFile() throws {
        let folder = try TemporaryFolder()
        try folder.write(safetensors("{}"), to: "model.safetensors")
        try folder.write(#"{"model_type":"llama","eos_token_id":["a"]}"#, to: "config.json")
        try folder.write(#"{"eos_token_id":2}"#, to: "generation_config.json")
        let location = try ModelLocation(folder.path)
        let configuration = try ModelConfiguration(location)
        let text = errorText { _ = try GenerationConfiguration(location, configuration: configuration) }
        #expect(text?.contains("config.json: key 'eos_token_id'") == true, "\(text ?? "no error")")
    }

    @Test func wholeNumbersMayHaveAPoint() throws {
        let text = #"{"model_type":"llama","hidden_size":64.0,"num_attention_heads":4.0,"num_key_value_heads":2e0}"#
        let geometry = try ModelConfiguration(parsing: Array(text.utf8), path: "c").attentionGeometry()
        #expect(geometry.hiddenSize == 64 && geometry.headCount == 4 && geometry.keyValueHeadCount == 2)
        let broken = errorText {
            let text = #"{"model_type":"llama","hidden_size":64.5,"num_attention_heads":4}"#
            _ = try ModelConfiguration(parsing: Array(text.utf8), path: "c").attentionGeometry()
        }
        #expect(broken?.contains("'hidden_size'") == true)
    }

    /// Keys left out have the reference's defaults; a key that says null asks for none.
    @Test func defaultsAreTheReferences() throws {
        func keys(_ text: String) throws -> ConfigurationReader {
            try ModelConfiguration(parsing: Array(text.utf8), path: "c").keys
        }
        #expect(try keys(#"{"model_type":"llama"}"#).size("max_position_embeddings") == 2048)
        #expect(try keys(#"{"model_type":"llama"}"#).number("rms_norm_eps") == 1e-6)
        #expect(try keys(#"{"model_type":"mixtral"}"#).number("rms_norm_eps") == 1e-5)
        #expect(try keys(#"{"model_type":"gemma2"}"#).number("query_pre_attn_scalar") == 256)
        #expect(
            try keys(#"{"model_type":"gemma2","final_logit_softcapping":null}"#)
                .optionalNumber("final_logit_softcapping") == nil)
        #expect(try keys(#"{"model_type":"gpt2"}"#).string("activation_function") == "gelu_new")
        #expect(try keys(#"{"model_type":"gpt2","n_ctx":512}"#).size("n_positions", "n_ctx") == 512)
        #expect(try keys(#"{"model_type":"mistral"}"#).optionalSize("sliding_window") == 4096)
        #expect(try keys(#"{"model_type":"mistral","sliding_window":null}"#).optionalSize("sliding_window") == nil)
        for type in ["cohere", "cohere2", "exaone4", "glm4", "granite", "olmo2", "olmo3", "smollm3", "stablelm"] {
            let keys = try keys(#"{"model_type":"\#(type)"}"#)
            #expect(try keys.string("hidden_act") == "silu")
            #expect(try keys.size("max_position_embeddings") >= 2048)
        }
        #expect(try keys(#"{"model_type":"starcoder2"}"#).optionalSize("num_key_value_heads") == 2)
        #expect(try keys(#"{"model_type":"m2m_100"}"#).string("activation_function") == "relu")
        var table = ConfigurationTable()
        table.set("model_type", "llama")
        let metadata = try ModelConfiguration(table, path: "c")
        #expect(try metadata.keys.optionalSize("vocab_size") == nil)
    }
}
