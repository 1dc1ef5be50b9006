/// What a backend refuses or what its device reports.
public enum BackendError: Error, Sendable, Equatable, CustomStringConvertible {
    case deviceNotFound(request: String, available: [String])
    case invalidArgument(op: String, reason: String)
    case shapeMismatch(op: String, argument: String, expected: String, found: String)
    case unsupported(op: String, reason: String)
    case limitExceeded(op: String, limit: String, maximum: Int, found: Int)
    case outOfMemory(requestedByteCount: Int, device: String)
    case kernelBuildFailed(program: String, device: String, log: String)
    case kernelSourceMissing(name: String, directory: String?)
    case selfTestFailed(kernel: String, device: String, reason: String)
    case deviceFailure(op: String, code: Int, name: String)
    case libraryMissing(name: String, reason: String)
    /// `source` is where the name came from, such as a variable; `nil`: a caller.
    case kernelSetUnavailable(name: String, source: String?, reason: String, available: [String])
    case kernelCacheFull(directory: String)

    public var description: String {
        switch self {
        case .deviceNotFound(let request, let available):
            "device '\(request)' not found; available: \(available.isEmpty ? "none" : available.joined(separator: ", "))"
        case .invalidArgument(let op, let reason): "\(op): \(reason)"
        case .shapeMismatch(let op, let argument, let expected, let found):
            "\(op): \(argument) has shape \(found), expected \(expected)"
        case .unsupported(let op, let reason): "\(op) is not supported here: \(reason)"
        case .limitExceeded(let op, let limit, let maximum, let found):
            "\(op): \(limit) \(found) is over the \(maximum) reserved; reserve more or send less"
        case .outOfMemory(let bytes, let device):
            "out of memory on \(device): \(bytes) bytes could not be allocated; try a smaller --ctx or a smaller --dtype"
        case .kernelBuildFailed(let program, let device, let log):
            "kernel program '\(program)' does not compile on \(device): "
                + log.split(whereSeparator: \.isNewline).joined(separator: " | ")
        case .kernelSourceMissing(let name, let directory):
            "kernel source '\(name)' not found" + (directory.map { " in \($0); check INFER_KERNELS" } ?? "")
        case .selfTestFailed(let kernel, let device, let reason):
            "kernel '\(kernel)' failed its self-test on \(device): \(reason)"
        case .deviceFailure(let op, let code, let name): "\(op) failed on the device: \(name) (\(code))"
        case .libraryMissing(let name, let reason): "\(name) cannot be used: \(reason)"
        case .kernelSetUnavailable(let name, let source, let reason, let available):
            "\(source ?? "a list of kernel sets") names '\(name)', \(reason); this processor runs: "
                + available.joined(separator: ", ")
        case .kernelCacheFull(let directory):
            "compiled kernels cannot be kept in \(directory): its disk is full; free some space, or set XDG_CACHE_HOME"
        }
    }
}
