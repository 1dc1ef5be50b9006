import ArgumentParser
import CommandSupport
import Foundation
import JSONCore
import ModelIO

/// `infer list`: the models that `--model` finds by name.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the models in the Hugging Face cache and in the folders of INFER_MODELS.",
        discussion:
            "The cache is HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub; INFER_MODELS has colons between folders."
    )

    @Flag(help: "Print one JSON array.")
    var json = false

    func run() throws {
        let finder = ModelFinder()
        let entries = finder.list()
        var output = OutputWriter()
        if json {
            var writer = JSONWriter()
            writer.beginArray()
            for entry in entries {
                writer.beginObject()
                writer.member("name", entry.name)
                writer.member("path", entry.path)
                writer.endObject()
            }
            writer.endArray()
            try output.writeLine(writer.text)
        } else {
            let width = (entries.map(\.name.count).max() ?? 0) + 2
            for entry in entries { try output.writeLine(entry.name.padded(to: width) + entry.path) }
            if entries.isEmpty {
                let places = ([finder.hub] + finder.folders).joined(separator: ", ")
                StandardErrorLog.line("no models in \(places)")
            }
        }
        try output.flush()
    }
}
