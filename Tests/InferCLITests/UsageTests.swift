import Testing

@Suite struct UsageTests {
    @Test func helpAndVersionSucceed() throws {
        for arguments in [["--version"], ["--help"], ["help", "tokenize"], ["generate", "--help"]] {
            let result = try CommandLineTool.run(arguments)
            #expect(result.exitCode == 0, "\(arguments): \(result.errors)")
            #expect(!result.output.isEmpty && result.errors.isEmpty, "\(arguments)")
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func completionScriptsNameTheCommands(shell: String) throws {
        let result = try CommandLineTool.run(["--generate-completion-script", shell])
        #expect(result.exitCode == 0)
        #expect(result.output.contains("tokenize") && result.output.contains("--device"))
    }

    @Test func aReaderThatClosesTheOutputIsNoError() throws {
        let text =
            "head -c 4000000 /dev/zero | tr '\\0' a | $INFER tokenize | head -c 10; echo \" status ${PIPESTATUS[2]}\""
        let result = try CommandLineTool.shell(text)
        #expect(result.output.hasSuffix(" status 0\n"), "\(result.output)")
        #expect(result.errors.isEmpty, "\(result.errors)")
    }

    @Test func aFullDiskUnderTheOutputIsAnError() throws {
        let result = try CommandLineTool.run(["tokenize", "abc"], outputPath: "/dev/full")
        CommandLineTool.expectFailure(result, code: 1, naming: ["standard output", "No space"], "full output")
    }
}
