/// Where a model is to run, as `--device` says it.
public enum DeviceChoice: Sendable, Hashable, CustomStringConvertible {
    /// The first GPU or accelerator that OpenCL shows, else the CPU backend.
    case auto
    case cpu
    /// An OpenCL device of any kind: the first that can run kernels, or the one with this number.
    case opencl(index: Int?)

    /// Reads `auto`, `cpu`, `opencl` or `opencl:N`; `nil` for anything else.
    public init?(_ text: String) {
        switch text {
        case "auto": self = .auto
        case "cpu": self = .cpu
        case "opencl": self = .opencl(index: nil)
        default:
            guard text.hasPrefix("opencl:"), let index = Int(text.dropFirst(7)), index >= 0 else { return nil }
            self = .opencl(index: index)
        }
    }

    public var description: String {
        switch self {
        case .auto: "auto"
        case .cpu: "cpu"
        case .opencl(nil): "opencl"
        case .opencl(let index?): "opencl:\(index)"
        }
    }
}
