internal import COpenBLAS
internal import CPUKernels
internal import Glibc
public import TensorCore

/// The backend that computes on the processor, with all threads it may use and the widest vectors it has.
///
/// Ops run to their end before they return. Weights are used where they lie, so preparing one neither copies nor
/// reads it. Results do not depend on the number of threads. A token's products depend on the tokens beside it only in
/// their last bits, by how many there are: many are computed by other kernels than few, unless `makeRowInvariant()` was
/// called.
public final class CPUBackend: Backend {
    /// What multiplies FP32 weights with many tokens.
    public enum MatrixLibrary: String, Sendable, Hashable, CaseIterable {
        /// The kernels here on AVX-512 and AVX2, where they are the faster ones (measured); elsewhere OpenBLAS where
        /// it is installed and multiplies correctly.
        case automatic
        /// The kernels here.
        case kernels
        /// OpenBLAS, opened at run time.
        case openBLAS
    }

    public let threadCount: Int
    public let instructionSet: InstructionSet
    /// The kernels in use: those of floats, and those of rounded activations.
    public let kernelSets: [KernelSet]
    /// The OpenBLAS in use, such as "OpenBLAS 0.3.21 (Cooperlake)"; `nil` where it is not used.
    public let openBLASName: String?
    // SAFETY (this and what follows): only one thread at a time uses a backend.
    nonisolated(unsafe) let context: OpaquePointer
    /// What `openBLASName` names.
    private let library: openblas_library?
    nonisolated(unsafe) public private(set) var counters = BackendCounters()
    nonisolated(unsafe) private var collected = CPUProfile()
    nonisolated(unsafe) private(set) var limits: ExecutionLimits?
    nonisolated(unsafe) var isRowInvariant = false
    nonisolated(unsafe) private(set) var expertScratch: ExpertScratch?
    /// Of products of whole texts; `nil`: there are others too.
    nonisolated(unsafe) private(set) var panelScratch: CPUBuffer?

    /// - Parameters:
    ///   - threadCount: threads in all; `nil`: the processors this process may run on.
    ///   - instructionSet: its kernel sets are used; `nil`: the widest one.
    ///   - matrixLibrary: what multiplies FP32 weights with many tokens.
    /// - Throws: `BackendError.invalidArgument` for a thread count that is not in 1...1024, `.unsupported` for
    ///   instructions that this machine lacks, `.libraryMissing` where OpenBLAS was asked for and cannot be used,
    ///   `.outOfMemory` where the threads cannot be started.
    public convenience init(
        threadCount: Int? = nil, instructionSet: InstructionSet? = nil, matrixLibrary: MatrixLibrary = .automatic
    ) throws {
        let chosen = instructionSet ?? .best
        guard chosen.isSupported else {
            throw BackendError.unsupported(op: "instruction set \(chosen)", reason: "this processor lacks it")
        }
        try self.init(threadCount: threadCount, sets: KernelSet.defaults(of: chosen), matrixLibrary: matrixLibrary)
    }

    /// A backend whose kernels are chosen by name.
    /// - Parameters:
    ///   - threadCount: as above.
    ///   - kernelSets: in the order of preference: of each kind the first is used. Where there is none of floats, it is
    ///     that of the first set's instructions.
    ///   - matrixLibrary: as above, but that `.automatic` takes the kernels.
    /// - Throws: as above; `BackendError.kernelSetUnavailable` for a set that this machine does not run.
    public convenience init(
        threadCount: Int? = nil, kernelSets: [KernelSet], matrixLibrary: MatrixLibrary = .automatic
    ) throws {
        if let missing = kernelSets.first(where: { !$0.isSupported }) { throw missing.unavailable(in: nil) }
        try self.init(
            threadCount: threadCount, sets: KernelSet.completed(kernelSets),
            matrixLibrary: matrixLibrary == .automatic ? .kernels : matrixLibrary)
    }

    private convenience init(threadCount: Int?, sets: [KernelSet], matrixLibrary: MatrixLibrary) throws {
        let threads = threadCount ?? min(Int(cpuk_available_processors()), CPUBackend.maxThreadCount)
        guard (1...CPUBackend.maxThreadCount).contains(threads) else {
            throw BackendError.invalidArgument(
                op: "CPU backend", reason: "\(threads) threads; take 1 to \(CPUBackend.maxThreadCount)")
        }
        let library = try CPUBackend.openLibrary(matrixLibrary, for: KernelSet.instructionSet(of: sets))
        try self.init(threads: threads, sets: sets, library: library)
    }

    /// A backend of one thread with what another one computes with.
    convenience init(laneOf other: CPUBackend) throws {
        try self.init(threads: 1, sets: other.kernelSets, library: other.library)
        isRowInvariant = other.isRowInvariant
        if let limits = other.limits { try reserve(limits) }
    }

    private init(threads: Int, sets: [KernelSet], library: openblas_library?) throws {
        let numbers = sets.map { Int32($0.index) }
        guard let context = cpuk_create(Int32(threads), numbers, Int32(numbers.count)) else {
            throw BackendError.outOfMemory(requestedByteCount: 0, device: "CPU (starting \(threads) threads)")
        }
        threadCount = threads
        instructionSet = KernelSet.instructionSet(of: sets)
        kernelSets = sets
        self.context = context
        self.library = library
        openBLASName = library?.summary
        if let library { cpuk_set_sgemm(context, library.sgemm) }
    }

    private static func openLibrary(
        _ choice: MatrixLibrary, for instructionSet: InstructionSet
    ) throws -> openblas_library? {
        let hasFasterKernels = instructionSet == .avx512 || instructionSet == .avx2
        guard choice == .openBLAS || (choice == .automatic && !hasFasterKernels) else { return nil }
        // A library that is older than the processor falls back to slower kernels unless told.
        let coreType = InstructionSet.avx512.isSupported ? "Cooperlake" : nil
        var library = openblas_library()
        if openblas_open(&library, coreType) { return library }
        guard choice == .openBLAS else { return nil }
        throw BackendError.libraryMissing(name: "OpenBLAS", reason: library.problem)
    }

    deinit { cpuk_destroy(context) }

    static let maxThreadCount = 1024

    public var summary: String {
        "cpu: \(threadCount) thread\(threadCount == 1 ? "" : "s"), \(instructionSet)"
            + extensionNames.map { ", \($0)" }.joined() + (openBLASName.map { ", \($0)" } ?? "")
    }

    /// The instructions for products of rounded activations; "int8" where it takes several for what VNNI does in one.
    private var extensionNames: [String] {
        kernelSets.filter { $0.kind != .floats }.map { String($0.name.split(separator: "_").last ?? "") }
    }

    public let capabilities = BackendCapabilities(maxTopK: CPUK_MAX_TOP_K, maxHeadSize: 256)

    public func makeBuffer(byteCount: Int) throws -> any DeviceBuffer {
        guard let buffer = CPUBuffer(byteCount: byteCount) else {
            throw BackendError.outOfMemory(requestedByteCount: byteCount, device: "CPU")
        }
        counters.allocations += 1
        return buffer
    }

    public func prepare(_ source: WeightSource, precision: MatmulPrecision) throws -> any Weight {
        guard let rowByteCount = source.format.rowByteCount(columns: source.columns) else {
            throw BackendError.invalidArgument(
                op: "prepare", reason: "weight \(source.name) has rows of \(source.columns) columns, no whole blocks")
        }
        return CPUWeight(source, rowByteCount: rowByteCount, precision: precision)
    }

    public func reserve(_ limits: ExecutionLimits) throws {
        let merged = self.limits?.union(limits) ?? limits
        guard merged != self.limits else { return }
        var request = cpuk_limits(
            tokens: Int64(merged.tokenCount), sequences: Int64(merged.sequenceCount),
            context_length: Int64(merged.contextLength), matmul_inputs: Int64(merged.matmulInputCount),
            heads: Int64(merged.headCount), head_size: Int64(merged.headSize))
        guard cpuk_reserve(context, &request) else {
            throw BackendError.outOfMemory(requestedByteCount: merged.roughScratchByteCount, device: "CPU")
        }
        counters.allocations += 1
        panelScratch = try makePanelScratch(merged)
        if merged.expertFeatureCount > 0 { expertScratch = try ExpertScratch(merged) }
        self.limits = merged
    }

    public func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) throws {
        guard bytes.count == tensor.byteCount, tensor.isContiguous else {
            throw BackendError.invalidArgument(
                op: "write", reason: "\(bytes.count) bytes to \(tensor.shape) \(tensor.dtype), which must be contiguous"
            )
        }
        if let source = bytes.baseAddress, !bytes.isEmpty { memcpy(tensor.hostPointer, source, bytes.count) }
        counters.bytesWritten += bytes.count
    }

    public func read(_ transfers: [HostTransfer]) throws {
        for transfer in transfers where transfer.bytes.count != transfer.tensor.byteCount {
            throw BackendError.invalidArgument(
                op: "read",
                reason: "\(transfer.bytes.count) bytes for \(transfer.tensor.shape) \(transfer.tensor.dtype)")
        }
        for transfer in transfers { copy(transfer) }
        counters.synchronizations += 1
    }

    private func copy(_ transfer: HostTransfer) {
        let tensor = transfer.tensor
        counters.bytesRead += transfer.bytes.count
        guard let target = transfer.bytes.baseAddress, !transfer.bytes.isEmpty else { return }
        let rowByteCount = tensor.columns * tensor.dtype.byteCount
        for row in 0..<tensor.rows {
            memcpy(
                target + row * rowByteCount, tensor.hostPointer + row * tensor.rowStride * tensor.dtype.byteCount,
                rowByteCount)
        }
    }

    public func synchronize() throws { counters.synchronizations += 1 }

    public func setProfiling(_ enabled: Bool) { collected.isEnabled = enabled }

    var isProfiling: Bool { collected.isEnabled }

    public func profile() throws -> [ProfileEntry] {
        try synchronize()
        return collected.sorted
    }

    /// Counts an op and, where a profile is collected, times it. An op that turns out to be refused is not counted.
    func launch<Result>(
        _ kernel: @autoclosure () -> String, byteCount: @autoclosure () -> Int, flopCount: @autoclosure () -> Int = 0,
        isAccepted: (Result) -> Bool = { _ in true }, _ body: () -> Result
    ) -> Result {
        guard collected.isEnabled else {
            let result = body()
            if isAccepted(result) { counters.launches += 1 }
            return result
        }
        let start = ContinuousClock.now
        let result = body()
        let elapsed = ContinuousClock.now - start
        if isAccepted(result) {
            counters.launches += 1
            collected.add(kernel(), elapsed: elapsed, byteCount: byteCount(), flopCount: flopCount())
        }
        return result
    }
}

extension openblas_library {
    /// Why it cannot be used.
    fileprivate var problem: String { text(reason) }

    /// Name, version and kernels.
    fileprivate var summary: String {
        let version = text(configuration).split(separator: " ").prefix(2).joined(separator: " ")
        return "\(version) (\(text(core_name)))"
    }

    /// A C array of characters that ends with a zero.
    private func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension ExecutionLimits {
    /// For the message of a failed reservation.
    fileprivate var roughScratchByteCount: Int {
        let packed = min(tokenCount, 512).multipliedReportingOverflow(by: matmulInputCount)
        return packed.overflow ? .max : packed.partialValue.multipliedReportingOverflow(by: 4).partialValue
    }
}
