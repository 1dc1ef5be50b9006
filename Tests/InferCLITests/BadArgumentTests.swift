import Foundation
import TestSupport
import Testing

/// A command line that must fail, its exit code, and what its error must name.
struct BadCommand: CustomTestStringConvertible, Sendable {
    let arguments: [String]
    let code: Int32
    let culprits: [String]
    var environment: [String: String] = [:]

    init(_ arguments: String..., code: Int32, naming culprits: [String], environment: [String: String] = [:]) {
        self.arguments = arguments
        self.code = code
        self.culprits = culprits
        self.environment = environment
    }

    var testDescription: String { arguments.map { $0.isEmpty ? "''" : String($0.prefix(40)) }.joined(separator: " ") }
}

/// Flags, prompts, devices and paths that cannot be served.
@Suite struct BadArgumentTests {
    @Test(arguments: usage + values + prompts + devices + paths) func badCommandsAreNamed(_ command: BadCommand) throws
    {
        let result = try CommandLineTool.run(command.arguments, environment: command.environment)
        CommandLineTool.expectFailure(
            result, code: command.code, naming: command.culprits, command.testDescription)
    }

    /// Refused before anything is opened.
    private static let usage: [BadCommand] = [
        BadCommand("sing", code: 64, naming: ["sing"]),
        BadCommand("generate", "--loud", "hi", code: 64, naming: ["--loud"]),
        BadCommand("generate", "--model", code: 64, naming: ["--model"]),
        BadCommand("generate", "one", "two", code: 64, naming: ["two"]),
        BadCommand("generate", "hi", "--file", "x", code: 64, naming: ["--file"]),
        BadCommand("generate", "hi", "--choices", "a,,b", code: 64, naming: ["--choices"]),
        BadCommand("generate", "hi", "--choices", "a", "--regex", "b", code: 64, naming: ["--choices", "--regex"]),
        BadCommand("generate", "--device", "gpu", "hi", code: 64, naming: ["gpu", "--device"]),
        BadCommand("generate", "--device", "opencl:x", "hi", code: 64, naming: ["opencl:x"]),
        BadCommand("generate", "--device", "opencl:-1", "hi", code: 64, naming: ["opencl:-1"]),
        BadCommand("generate", "--dtype", "int3", "hi", code: 64, naming: ["int3", "--dtype"]),
        BadCommand("generate", "--kv-dtype", "int4", "hi", code: 64, naming: ["int4", "--kv-dtype"]),
        BadCommand("generate", "--precision", "low", "hi", code: 64, naming: ["low", "--precision"]),
        BadCommand("generate", "--threads", "0", "hi", code: 64, naming: ["--threads", "0"]),
        BadCommand("generate", "--threads", "-2", "hi", code: 64, naming: ["--threads", "-2"]),
        BadCommand("generate", "--threads", "1000000", "hi", code: 64, naming: ["--threads", "1000000"]),
        BadCommand("generate", "--ctx", "0", "hi", code: 64, naming: ["--ctx", "0"]),
        BadCommand("generate", "--ctx", "-5", "hi", code: 64, naming: ["--ctx", "-5"]),
        BadCommand("generate", "--ctx", "9223372036854775808", "hi", code: 64, naming: ["--ctx"]),
        BadCommand("generate", "--max-tokens", "0", "hi", code: 64, naming: ["--max-tokens", "0"]),
        BadCommand("generate", "--max-tokens", "-1", "hi", code: 64, naming: ["--max-tokens", "-1"]),
        BadCommand("generate", "--max-tokens", "many", "hi", code: 64, naming: ["--max-tokens", "many"]),
        BadCommand("generate", "--prompt-ids", "1,,2", code: 64, naming: ["1,,2", "--prompt-ids"]),
        BadCommand("generate", "--logit-bias", "x=1", "hi", code: 64, naming: ["x=1", "--logit-bias"]),
        BadCommand("inspect", "--ctx", "0", code: 64, naming: ["--ctx"]),
        BadCommand("forward", "--inputs", "x", code: 64, naming: ["--outputs"]),
    ]

    /// Numbers that parse and make no sense.
    private static let values: [BadCommand] = [
        BadCommand("generate", "--temperature", "-1", "hi", code: 1, naming: ["temperature", "-1"]),
        BadCommand("generate", "--temperature", "nan", "hi", code: 1, naming: ["temperature", "nan"]),
        BadCommand("generate", "--temperature", "inf", "hi", code: 1, naming: ["temperature", "inf"]),
        BadCommand("generate", "--top-p", "1.5", "hi", code: 1, naming: ["top-p", "1.5"]),
        BadCommand("generate", "--min-p", "2", "hi", code: 1, naming: ["min-p", "2"]),
        BadCommand("generate", "--repetition-penalty", "0", "hi", code: 1, naming: ["repetition-penalty"]),
        BadCommand("generate", "--presence-penalty", "1e9", "hi", code: 1, naming: ["presence-penalty"]),
        BadCommand("generate", "--frequency-penalty", "-1e9", "hi", code: 1, naming: ["frequency-penalty"]),
        BadCommand("generate", "--logit-bias", "99999=1", "hi", code: 1, naming: ["logit-bias", "99999"]),
        BadCommand("generate", "--ctx", "100000", "hi", code: 1, naming: ["--ctx", "100000", "512"]),
        BadCommand("generate", "--lora", "adapter=0.5", "hi", code: 1, naming: ["adapter/adapter_config.json"]),
    ]

    private static let prompts: [BadCommand] = [
        BadCommand("generate", "--ctx", "3", "To be, or not", code: 1, naming: ["5 tokens", "3"]),
        BadCommand("generate", String(repeating: "word ", count: 2000), code: 1, naming: ["512"]),
        BadCommand("generate", "--prompt-ids", "1,99999", code: 1, naming: ["99999", "1024"]),
        BadCommand("generate", "--prompt-ids=-1", code: 1, naming: ["-1"]),
        BadCommand("generate", "--prompt-ids", "4294967297", code: 1, naming: ["4294967297"]),
        BadCommand("generate", "--file", "/no/such/prompt", code: 1, naming: ["/no/such/prompt"]),
        BadCommand("generate", "--file", "/", code: 1, naming: ["/", "directory"]),
    ]

    private static let devices: [BadCommand] = [
        BadCommand("generate", "--device", "opencl:99", "hi", code: 1, naming: ["opencl:99", "cpu"]),
        // An OpenCL loader without drivers.
        BadCommand(
            "generate", "--device", "opencl", "hi", code: 1, naming: ["opencl"],
            environment: ["OCL_ICD_VENDORS": "/no/such/folder"]),
        BadCommand(
            "generate", "--device", "opencl", "hi", code: 1, naming: ["/no/such/kernels", "INFER_KERNELS"],
            environment: ["INFER_KERNELS": "/no/such/kernels"]),
    ]

    private static let paths: [BadCommand] = [
        BadCommand("generate", "--model", "/no/such/model", "hi", code: 1, naming: ["/no/such/model"]),
        BadCommand("generate", "--model", "", "hi", code: 1, naming: ["--model"]),
        BadCommand("generate", "--model", "/etc/passwd", "hi", code: 1, naming: ["/etc/passwd"]),
        BadCommand("generate", "--model", "/dev/null", "hi", code: 1, naming: ["/dev/null"]),
        BadCommand("generate", "--model", "/", "hi", code: 1, naming: ["/"]),
        BadCommand("generate", "--model", String(repeating: "x", count: 5000), "hi", code: 1, naming: ["too long"]),
        BadCommand("inspect", "/no/such/model", code: 1, naming: ["/no/such/model"]),
        BadCommand("forward", "--inputs", "/no/in", "--outputs", "/tmp/x", code: 1, naming: ["/no/in"]),
    ]
}
