import Foundation
import ModelIO
import TensorCore

/// A copy of the elements; the memory behind them stays alive meanwhile.
func elements<Element>(_ bytes: HostBytes, _: Element.Type) -> [Element] {
    withExtendedLifetime(bytes) { Array($0.pointer.bindMemory(to: Element.self)) }
}

/// A folder for one test, removed with the last reference.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("infer-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }
}

/// The bytes of a safetensors file with this header text and `dataByteCount` zeros behind it.
func safetensors(_ header: String, dataByteCount: Int = 0, length: UInt64? = nil) -> [UInt8] {
    let text = Array(header.utf8)
    let prefix = withUnsafeBytes(of: (length ?? UInt64(text.count)).littleEndian) { Array($0) }
    return prefix + text + [UInt8](repeating: 0, count: dataByteCount)
}

/// What an action's error says; nil where it throws none.
func errorText(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch let error as LoadError {
        return error.description
    } catch {
        return "not a LoadError: \(error)"
    }
}
