/// What a command refuses by itself; errors of files, tokenizers, models and devices pass through as they are.
package enum CommandError: Error, CustomStringConvertible {
    case unsupported(option: String, value: String, reason: String)
    case invalidIDs(name: String, found: String)

    package var description: String {
        switch self {
        case .unsupported(let option, let value, let reason): "\(option) \(value): \(reason)"
        case .invalidIDs(let name, let found):
            "\(name): '\(found)' is no token id; expected integers from 0, separated by commas or spaces, or a JSON array"
        }
    }
}
