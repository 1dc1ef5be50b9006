public import JSONCore

/// Why a model, a checkpoint or a configuration cannot be used. Every description is one line that names the file and
/// what is wrong in it, and says what to do where that is not obvious.
public enum LoadError: Error, Sendable, Equatable {
    /// A file or folder cannot be opened or read.
    case unreadable(path: String, reason: String)
    /// A file or folder is of another kind than needed.
    case unsupportedFile(path: String, reason: String)
    /// A file could not be written.
    case unwritable(path: String, reason: String)
    /// The container of a file is broken: header length, magic number, size.
    case invalidFile(path: String, reason: String)
    /// The description of a tensor in a checkpoint is broken.
    case invalidTensor(path: String, tensor: String, reason: String)
    /// A JSON file is malformed or does not have the structure it must have.
    case json(JSONError)
    /// A configuration lacks a key; `keys` are the spellings that were looked for.
    case missingKey(path: String, keys: [String])
    /// A key's value is not what it must be.
    case invalidValue(path: String, key: String, expected: String, found: String)
    /// Values of keys that are valid alone contradict each other.
    case contradiction(path: String, keys: [String], reason: String)
    /// A configuration asks for something that this version does not support.
    case unsupportedValue(path: String, key: String, value: String, supported: [String])
    /// The index of a sharded checkpoint names a file or a tensor that does not exist.
    case invalidShard(index: String, shard: String, reason: String)
    /// A checkpoint lacks a tensor; `tried` are the names that were looked for.
    case missingTensor(path: String, name: String, tried: [String])
    /// A tensor's shape is not what the configuration asks for.
    case shapeMismatch(name: String, expected: [Int], found: [Int])
    /// A tensor's element type cannot be used where it stands.
    case unsupportedElement(name: String, found: String, expected: String)
    /// A tensor's values cannot be stored in the wanted number format.
    case unrepresentable(name: String, format: String, reason: String)
}

extension LoadError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let path, let reason), .unsupportedFile(let path, let reason),
            .invalidFile(let path, let reason):
            return "\(path): \(reason)"
        case .unwritable(let path, let reason): return "\(path): cannot be written: \(reason)"
        case .invalidTensor(let path, let tensor, let reason): return "\(path): tensor '\(tensor)' \(reason)"
        case .json(let error): return error.description
        case .missingKey(let path, let keys):
            let names = keys.map { "'\($0)'" }.joined(separator: " or ")
            return "\(path): key \(names) is missing"
        case .invalidValue(let path, let key, let expected, let found):
            return "\(path): key '\(key)': expected \(expected), found \(found)"
        case .contradiction(let path, let keys, let reason):
            return "\(path): \(keys.map { "'\($0)'" }.joined(separator: " and ")) contradict each other: \(reason)"
        case .unsupportedValue(let path, let key, let value, let supported):
            let others = supported.joined(separator: ", ")
            return "\(path): \(key) '\(printable(value))' is not supported; supported: \(others)"
        case .invalidShard(let index, let shard, let reason): return "\(index): shard '\(shard)' \(reason)"
        case .missingTensor(let path, let name, let tried):
            let names = tried.filter { $0 != name }.map { "'\($0)'" }.joined(separator: ", ")
            return "\(path): tensor '\(name)' is missing" + (names.isEmpty ? "" : " (also tried \(names))")
        case .shapeMismatch(let name, let expected, let found):
            return "tensor '\(name)' has shape \(found), expected \(expected)"
        case .unsupportedElement(let name, let found, let expected):
            return "tensor '\(name)' holds \(found) elements, expected \(expected)"
        case .unrepresentable(let name, let format, let reason):
            return "tensor '\(name)' cannot be stored as \(format): \(reason)"
        }
    }
}

/// Text from a file, made safe for a one-line message: control characters replaced, cut to `limit` characters.
func printable(_ text: String, limit: Int = 80) -> String {
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(limit) {
        let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || scalar.value == 0x2028
        scalars.append(isControl || scalar.value == 0x2029 ? "\u{FFFD}" : scalar)
    }
    return String(scalars) + (text.unicodeScalars.count > limit ? "…" : "")
}
