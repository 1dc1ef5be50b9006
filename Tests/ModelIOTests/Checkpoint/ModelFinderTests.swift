import Foundation
import ModelIO
import Testing

@Suite struct ModelFinderTests {
    private let folder: TemporaryFolder
    private let finder: ModelFinder

    init() throws {
        let folder = try TemporaryFolder()
        func make(_ path: String, _ files: [String: String]) throws {
            try FileManager.default.createDirectory(atPath: folder.file(path), withIntermediateDirectories: true)
            for (name, text) in files { try folder.write(text, to: "\(path)/\(name)") }
        }
        let model = ["model.safetensors": "x", "config.json": "{}"]
        try make("hub/models--org--small/snapshots/aaa", model)
        try make("hub/models--org--small/snapshots/bbb", model)
        try make("hub/models--org--small/refs", ["main": "aaa\n"])
        try make("hub/models--gpt2/snapshots/ccc", model)
        try make("hub/models--org--broken/snapshots/ddd", ["README.md": "x"])
        try make("mine/other/large", model)
        try make("mine/plain", model)
        try make("mine/one", ["weights.gguf": "x", "notes.txt": "x"])
        try make("mine/two", ["a.gguf": "x", "b.gguf": "x"])
        try make("mine/split", ["m-00001-of-00002.gguf": "x", "m-00002-of-00002.gguf": "x"])
        try folder.write("x", to: "mine/file.gguf")
        let variables = [
            "HF_HUB_CACHE": folder.file("hub"), "INFER_MODELS": folder.file("none") + ":" + folder.file("mine"),
        ]
        finder = ModelFinder { variables[$0] }
        self.folder = folder
    }

    @Test func namesAreResolved() {
        #expect(finder.resolve("org/small") == folder.file("hub/models--org--small/snapshots/aaa"))
        #expect(finder.resolve("gpt2") == folder.file("hub/models--gpt2/snapshots/ccc"))
        #expect(finder.resolve("other/large") == folder.file("mine/other/large"))
        #expect(finder.resolve("plain") == folder.file("mine/plain"))
        #expect(finder.resolve("file") == folder.file("mine/file.gguf"))
        #expect(
            finder.resolve(folder.file("hub/models--org--small")) == folder.file("hub/models--org--small/snapshots/aaa")
        )
        for name in ["org/missing", "../mine/plain", "/nowhere/at/all", "a/b/c", "", "~/x", "./plain"] {
            #expect(finder.resolve(name) == name)
        }
    }

    /// A reference to a snapshot may not lead out of the cache.
    @Test func referencesStayInside() throws {
        try folder.write("../../../../mine/plain", to: "hub/models--org--small/refs/main")
        #expect(finder.resolve("org/small").contains("/snapshots/"))
        #expect(!finder.resolve("org/small").contains(".."))
    }

    @Test func cachesAreFoundByTheirVariables() {
        #expect(ModelFinder { ["HF_HOME": "/h"][$0] }.hub == "/h/hub")
        #expect(ModelFinder { ["HOME": "/u"][$0] }.hub == "/u/.cache/huggingface/hub")
        #expect(ModelFinder { ["HOME": "/u", "XDG_CACHE_HOME": "/c"][$0] }.hub == "/c/huggingface/hub")
        #expect(ModelFinder { ["HF_HUB_CACHE": "/x", "HF_HOME": "/h"][$0] }.hub == "/x")
    }

    @Test func modelsAreListed() {
        let names = finder.list().map(\.name)
        #expect(names == ["file.gguf", "gpt2", "one", "org/small", "other/large", "plain", "split"])
    }

    @Test func aFolderMayHoldOneGGUFFile() throws {
        #expect(try ModelLocation(folder.file("mine/one")).weights == .gguf(folder.file("mine/one/weights.gguf")))
        #expect(
            try ModelLocation(folder.file("mine/split")).weights
                == .gguf(folder.file("mine/split/m-00001-of-00002.gguf")))
        let several = errorText { _ = try ModelLocation(folder.file("mine/two")) }
        #expect(several?.contains("2 GGUF files") == true && several?.contains("a.gguf, b.gguf") == true)
    }
}
