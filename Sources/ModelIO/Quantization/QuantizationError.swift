/// Why a file was not written. Errors of reading and writing are `LoadError`s.
public enum QuantizationError: Error, Sendable, Equatable {
    /// The input has no tensors.
    case noTensors(path: String)
    /// The output would replace a file that is read.
    case outputIsInput(path: String)
    /// A tensor is in a block format already.
    case alreadyQuantized(path: String, tensor: String, format: String)
    /// GGUF has no name for a tensor of the checkpoint.
    case unnamedTensor(path: String, tensor: String, architecture: String)
    /// The caller asked to stop.
    case interrupted(path: String)
}

extension QuantizationError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noTensors(let path): "\(path): holds no tensors (a vocabulary alone?); there is nothing to quantise"
        case .outputIsInput(let path): "\(path): is the input itself; name another output"
        case .alreadyQuantized(let path, let tensor, let format):
            "\(path): tensor '\(tensor)' is quantised already (\(format)); start from the original weights, "
                + "or give --allow-requantize and lose more"
        case .unnamedTensor(let path, let tensor, let architecture):
            "\(path): tensor '\(tensor)' has no name in GGUF files of architecture '\(architecture)'"
        case .interrupted(let path): "interrupted; \(path) was not written"
        }
    }
}
