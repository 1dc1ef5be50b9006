import Testing

/// One way to break a fixture model, and what the error must name.
struct BrokenModel: CustomTestStringConvertible, Sendable {
    let name: String
    var fixture = "llama"
    /// Parts of the error line: the file or tensor, and what is wrong with it.
    let culprits: [String]
    let edit: @Sendable (ModelFolder) throws -> Void

    init(
        _ name: String, fixture: String = "llama", naming culprits: [String],
        edit: @escaping @Sendable (ModelFolder) throws -> Void
    ) {
        self.name = name
        self.fixture = fixture
        self.culprits = culprits
        self.edit = edit
    }

    var testDescription: String { name }

    /// Breaks a copy, runs a command on it, and checks how the command fails.
    func expectFailure(command: [String] = ["generate", "--device", "cpu", "--max-tokens", "1"]) throws {
        let folder = try ModelFolder(fixture)
        defer { folder.remove() }
        try edit(folder)
        let result = try CommandLineTool.run(command + ["--model", folder.path, "once upon a time"])
        CommandLineTool.expectFailure(result, code: 1, naming: culprits, name)
    }
}
