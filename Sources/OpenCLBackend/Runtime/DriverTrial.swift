internal import COpenCL
internal import TensorCore

/// What OpenCL's drivers report when a child process asks them first, once in the life of this process.
///
/// A driver that aborts, crashes or hangs at its first call would otherwise take this process with it.
public enum DriverTrial: Sendable, Equatable {
    /// There is no device.
    case nothing
    /// There are devices, none of them a GPU or an accelerator.
    case processorsOnly
    /// There is a GPU or an accelerator.
    case accelerator
    /// libOpenCL cannot be opened.
    case noLibrary
    /// A driver does not answer, for this reason.
    case failed(reason: String)
    /// No child process could be started: nothing is known.
    case unknown

    /// The outcome of this process's one trial. Blocks for as long as the drivers need to start, 20 s at most.
    public static let result = DriverTrial(ocl_try_drivers(seconds))

    private static let seconds: Int32 = 20

    init(_ trial: ocl_trial) {
        switch (trial.outcome, trial.found) {
        case (OCL_TRIAL_ANSWERED, OCL_FOUND_NONE): self = .nothing
        case (OCL_TRIAL_ANSWERED, OCL_FOUND_OTHER): self = .processorsOnly
        case (OCL_TRIAL_ANSWERED, OCL_FOUND_ACCELERATOR): self = .accelerator
        case (OCL_TRIAL_ANSWERED, _): self = .noLibrary
        case (OCL_TRIAL_ENDED, _):
            let end = trial.signal != 0 ? "crashes (signal \(trial.signal))" : "exits (code \(trial.exit_code))"
            self = .failed(reason: "a driver \(end) when asked for its devices")
        case (OCL_TRIAL_TOO_LONG, _):
            self = .failed(reason: "a driver did not say in \(Self.seconds) s which devices it has")
        default: self = .unknown
        }
    }
}
