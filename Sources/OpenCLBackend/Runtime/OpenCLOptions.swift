internal import Foundation

/// How an OpenCL backend finds and builds its kernels.
public struct OpenCLOptions: Sendable {
    /// A folder to read kernels from instead of those in the binary.
    public var kernelDirectory: String?
    /// Where compiled programs are kept; `nil`: nowhere.
    public var cacheDirectory: String?
    /// Added to every program's compiler options.
    public var buildOptions: String
    /// Work-group sizes and variants; `nil`: those of the device's kind.
    public var tuning: Tuning?
    /// Receives one line where something went wrong that is no error, such as a full disk under the cache.
    public var warn: @Sendable (String) -> Void
    /// Told once, before the first program is compiled: drivers of processors take up to minutes for all that a model needs.
    public var compilationBegins: @Sendable () -> Void

    public init(
        kernelDirectory: String? = nil, cacheDirectory: String? = nil, buildOptions: String = "",
        tuning: Tuning? = nil, warn: @escaping @Sendable (String) -> Void = OpenCLOptions.warnOnStandardError,
        compilationBegins: @escaping @Sendable () -> Void = {}
    ) {
        self.kernelDirectory = kernelDirectory
        self.cacheDirectory = cacheDirectory
        self.buildOptions = buildOptions
        self.tuning = tuning
        self.warn = warn
        self.compilationBegins = compilationBegins
    }

    /// `INFER_KERNELS`, and the cache under `XDG_CACHE_HOME` or `HOME` (none where neither is set).
    public init(environment: [String: String]) {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let cacheHome = value("XDG_CACHE_HOME") ?? value("HOME").map { $0 + "/.cache" }
        self.init(
            kernelDirectory: value("INFER_KERNELS"), cacheDirectory: cacheHome.map { $0 + "/infer/kernels" },
            compilationBegins: OpenCLOptions.tellTerminal)
    }

    /// One line on standard error where a person may be waiting there.
    @Sendable private static func tellTerminal() {
        guard isatty(STDERR_FILENO) == 1 else { return }
        FileHandle.standardError.write(
            Data("compiling kernels for this device, once; this may take a minute\n".utf8))
    }

    /// Writes `warning: …` to standard error.
    @Sendable public static func warnOnStandardError(_ line: String) {
        FileHandle.standardError.write(Data("warning: \(line)\n".utf8))
    }
}
