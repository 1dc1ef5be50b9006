/// Where a model is to run, as `--device` says it.
public enum DeviceChoice: Sendable, Hashable, CustomStringConvertible {
    /// The first GPU or accelerator that OpenCL shows, else the CPU backend.
    case auto
    case cpu
    /// An OpenCL device of any kind: the one with this number, or the first that can run
    /// kernels, a GPU or accelerator before a CPU.
    case opencl(index: Int?)

    /// Reads `auto`, `cpu`, `opencl` or `opencl:N`; `nil` for anything else.
    public init?(_ text: String) {
        switch text {
        case "auto": self = .auto
        case "cpu": self = .cpu
        case "opencl": self = .opencl(index: nil)
        default:
            let digits = text.dropFirst("opencl:".count)
            guard text.hasPrefix("opencl:"), digits.allSatisfy({ ("0"..."9").contains($0) }), let index = Int(digits)
            else { return nil }
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
