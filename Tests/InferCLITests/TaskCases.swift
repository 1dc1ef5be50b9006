import Foundation
import JSONCore
import TestSupport
import Testing

/// A command over texts and what `transformers`' pipelines answer; made by `make_task_cases.py` of the reference material
/// (the fixtures with models of 16 features).
struct TaskCase: Sendable, CustomTestStringConvertible {
    let command: String
    let model: String
    let arguments: [String]
    let expected: JSONValue
    /// Settings of `generation_config.json` in place of the model's.
    var generation: [String: Double] = [:]
    let isFixture: Bool

    var testDescription: String { "\(command) \(model) \(arguments.joined(separator: " ").prefix(60))" }

    /// The cases of the package and those of the reference material, where it is there.
    static func all() throws -> [TaskCase] {
        let fixtures = ReferenceMaterial.fixtures.appendingPathComponent("tasks")
        func named(_ name: String, isFixture: Bool) throws -> [TaskCase] {
            try load(fixtures.appendingPathComponent(name), isFixture: isFixture)
        }
        let own =
            try load(fixtures.appendingPathComponent("cases.json"), isFixture: true).filter(\.isOfFiles)
            + named("marian-cases.json", isFixture: true)
            + named("late-interaction-cases.json", isFixture: true)
            + named("search-cases.json", isFixture: true)
        guard let shared = ReferenceMaterial.locate("reference/tasks", for: "TaskCases") else { return own }
        return try own
            + load(shared.appendingPathComponent("cases.json"), isFixture: false).filter(\.isOfFiles)
            + named("marian-reference-cases.json", isFixture: false)
    }

    /// Whether the answers are those of the model's files. Those of Marian were computed before it was saved, with random
    /// positions, which its files do not hold: from the files `transformers` answers as Tools/make_translation_cases.py
    /// has it.
    private var isOfFiles: Bool { model != "marian" }

    /// What an answer has to be compared with `expected`.
    func answer(_ output: [UInt8]) throws -> JSONValue {
        let root = try JSONDocument(parsing: output, source: "output").root
        return command == "generate" ? try root.require("sequences") : root
    }

    private static func load(_ url: URL, isFixture: Bool) throws -> [TaskCase] {
        let root = try JSONDocument(parsing: Array(try Data(contentsOf: url)), source: url.path).root
        return try root.requireArray("cases").map { value in
            let generation = value["generation"]?.object.map(Array.init) ?? []
            return TaskCase(
                command: try value.requireString("command"), model: try value.requireString("model"),
                arguments: try value.requireArray("arguments").map { try $0.requireString() },
                expected: try value.require("expected"),
                generation: try Dictionary(
                    uniqueKeysWithValues: generation.map { ($0.key, try $0.value.requireDouble()) }),
                isFixture: isFixture)
        }
    }

    /// Runs `body` with the model's folder.
    func withModel<Result>(_ body: (String) throws -> Result) throws -> Result {
        guard isFixture else {
            let shared = try #require(ReferenceMaterial.shared)
            return try body(shared.appendingPathComponent("reference/tasks/\(model)").path)
        }
        let folder = try TaskModelFolder(model)
        defer { folder.remove() }
        if !generation.isEmpty { try folder.merge(generation, into: "generation_config.json") }
        return try body(folder.path)
    }
}

/// A fixture model of a task with the tokenizer that belongs to it.
struct TaskModelFolder {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    init(_ model: String) throws {
        folder = try TemporaryFolder()
        let source = ReferenceMaterial.fixtures.appendingPathComponent("tasks/\(model)")
        for name in try FileManager.default.contentsOfDirectory(atPath: source.path) {
            try FileManager.default.copyItem(at: source.appendingPathComponent(name), to: folder.file(name))
        }
        let configuration = try String(contentsOf: folder.file("tokenizer_config.json"), encoding: .utf8)
        guard !FileManager.default.fileExists(atPath: folder.file("tokenizer.json").path) else { return }
        let kind = configuration.contains("BertTokenizer") ? "wordpiece" : "unigram"
        try FileManager.default.copyItem(
            at: ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/\(kind)/tokenizer.json"),
            to: folder.file("tokenizer.json"))
    }

    func file(_ name: String) -> URL { folder.file(name) }

    /// Sets members of a JSON file.
    func merge(_ members: [String: Any], into name: String) throws {
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file(name)))
        let old = try #require(object as? [String: Any])
        try JSONSerialization.data(withJSONObject: old.merging(members) { $1 }).write(to: file(name))
    }

    func remove() { folder.remove() }
}

extension JSONValue {
    /// What differs from `expected`, in words, or `nil`; numbers with a point may differ by `tolerance`.
    func difference(from expected: JSONValue, tolerance: Double, path: String = "") -> String? {
        if let members = expected.object {
            let keys = (object.map(Array.init) ?? []).map(\.key)
            guard Set(keys) == Set(members.map(\.key)) else { return "\(path): keys \(keys)" }
            for (key, value) in members {
                guard let own = self[key] else { return "\(path).\(key) is missing" }
                if let found = own.difference(from: value, tolerance: tolerance, path: "\(path).\(key)") {
                    return found
                }
            }
            return nil
        }
        if let elements = expected.array {
            guard let own = array, own.count == elements.count else { return "\(path): \(array?.count ?? 0) elements" }
            for (index, (own, element)) in zip(own, elements).enumerated() {
                if let found = own.difference(from: element, tolerance: tolerance, path: "\(path)[\(index)]") {
                    return found
                }
            }
            return nil
        }
        if let text = expected.string { return string == text ? nil : "\(path): \(string ?? "?"), expected \(text)" }
        if let integer = expected.int { return int == integer ? nil : "\(path): \(int ?? -1), expected \(integer)" }
        guard let number = expected.double, let own = double else { return "\(path): of another kind" }
        return abs(own - number) <= tolerance ? nil : "\(path): \(own), expected \(number)"
    }
}
