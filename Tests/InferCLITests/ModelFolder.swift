import Foundation
import TestSupport

/// A copy of a small fixture model that a test breaks.
struct ModelFolder {
    private let folder: TemporaryFolder

    /// - Parameter fixture: a folder of `Tests/Fixtures/models`.
    init(_ fixture: String = "llama") throws {
        folder = try TemporaryFolder()
        let source = ReferenceMaterial.fixtures.appendingPathComponent("models/\(fixture)")
        for name in try FileManager.default.contentsOfDirectory(atPath: source.path) where !name.hasPrefix("expected") {
            let target = folder.file(name)
            try FileManager.default.copyItem(at: source.appendingPathComponent(name), to: target)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: target.path)
        }
    }

    var path: String { folder.path }

    func file(_ name: String) -> String { folder.file(name).path }

    func remove() { folder.remove() }

    func delete(_ name: String) throws { try FileManager.default.removeItem(at: folder.file(name)) }

    func write(_ name: String, _ text: String) throws { try Data(text.utf8).write(to: folder.file(name)) }

    func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.file(name)) }

    func write(_ name: String, bytes: Data) throws { try bytes.write(to: folder.file(name)) }

    /// Puts an empty folder where a file was.
    func replaceByFolder(_ name: String) throws {
        try delete(name)
        try FileManager.default.createDirectory(at: folder.file(name), withIntermediateDirectories: false)
    }

    /// Edits the object of a JSON file.
    func editJSON(_ name: String, _ edit: (inout [String: Any]) throws -> Void) throws {
        var object = try Self.object(bytes(name))
        try edit(&object)
        try write(name, bytes: JSONSerialization.data(withJSONObject: object, options: .sortedKeys))
    }

    /// Edits the header of `model.safetensors`; the tensors' bytes stay.
    func editHeader(_ edit: (inout [String: Any]) throws -> Void) throws {
        let (header, data) = try safetensors()
        var object = try Self.object(header)
        try edit(&object)
        let edited = try JSONSerialization.data(withJSONObject: object, options: .sortedKeys)
        try writeSafetensors(header: edited, data: data)
    }

    /// Edits what the header says of one tensor.
    func editTensor(_ name: String, _ edit: (inout [String: Any]) -> Void) throws {
        try editHeader { header in
            guard var tensor = header[name] as? [String: Any] else { throw FixtureError.missing(name) }
            edit(&tensor)
            header[name] = tensor
        }
    }

    /// The header and the bytes behind it.
    func safetensors() throws -> (header: Data, data: Data) {
        let file = try bytes("model.safetensors")
        let length = file.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        return (Data(file[8..<8 + length]), Data(file[(8 + length)...]))
    }

    /// - Parameter length: what the file claims its header's length to be.
    func writeSafetensors(header: Data, data: Data, length: UInt64? = nil) throws {
        var file = withUnsafeBytes(of: (length ?? UInt64(header.count)).littleEndian) { Data($0) }
        file.append(header)
        file.append(data)
        try write("model.safetensors", bytes: file)
    }

    private static func object(_ data: Data) throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw FixtureError.missing("a JSON object")
        }
        return object
    }
}

enum FixtureError: Error { case missing(String) }
