internal import COpenCL

/// What differs between kinds of devices: which variant of a kernel runs and how large its work-groups are.
///
/// Every work-group size and tile that a launcher uses stands here.
public struct Tuning: Sendable, Hashable {
    public enum Family: String, Sendable, Hashable, CaseIterable {
        case cpu, nvidia, amd, intelGPU, other
    }

    public var family: Family
    /// Whether a row belongs to one work-item (a CPU core with vector registers) or to one work-group (a GPU).
    public var rowIsWorkItem: Bool
    /// Work-items of a group that reduces one row. A power of two.
    public var rowGroupSize: Int
    /// Work-items of a group of a kernel without a reduction.
    public var elementGroupSize: Int
    /// Elements that one work-item of an elementwise kernel handles on a CPU.
    public var elementsPerItem: Int
    /// Work-items of a group that handles one head of one token.
    public var headGroupSize: Int
    /// Work-items of the group that selects the largest elements of one row. A power of two.
    public var selectionGroupSize: Int
    public var matmul: MatmulTuning
    public var attention: AttentionTuning
    /// How launches are put together; `nil`: not at all.
    public var chain: ChainTuning?

    public init(
        family: Family, rowIsWorkItem: Bool, rowGroupSize: Int, elementGroupSize: Int, elementsPerItem: Int,
        headGroupSize: Int, selectionGroupSize: Int
    ) {
        self.family = family
        self.rowIsWorkItem = rowIsWorkItem
        self.rowGroupSize = rowGroupSize
        self.elementGroupSize = elementGroupSize
        self.elementsPerItem = elementsPerItem
        self.headGroupSize = headGroupSize
        self.selectionGroupSize = selectionGroupSize
        matmul = MatmulTuning(variant: family == .cpu ? .registers : .groups)
        attention = AttentionTuning(variant: family == .cpu ? .registers : .groups)
    }

    /// The values for each kind of device.
    public static func table(_ family: Family) -> Tuning {
        switch family {
        case .cpu:
            Tuning(
                family: .cpu, rowIsWorkItem: true, rowGroupSize: 1, elementGroupSize: 1, elementsPerItem: 1024,
                headGroupSize: 1, selectionGroupSize: 1)
        case .nvidia:
            Tuning(
                family: .nvidia, rowIsWorkItem: false, rowGroupSize: 256, elementGroupSize: 256, elementsPerItem: 1,
                headGroupSize: 32, selectionGroupSize: 512)
        case .amd, .intelGPU, .other:
            Tuning(
                family: family, rowIsWorkItem: false, rowGroupSize: 256, elementGroupSize: 256, elementsPerItem: 1,
                headGroupSize: 32, selectionGroupSize: 256)
        }
    }

    /// The values for a device, with groups and tiles no larger than the device allows.
    /// - Parameter family: the family whose values to take; `nil`: the device's own.
    public static func forDevice(_ device: OpenCLDevice, as family: Family? = nil) -> Tuning {
        var tuning = table(family ?? self.family(of: device))
        let limit = largestPowerOfTwo(atMost: device.maxWorkGroupSize)
        tuning.rowGroupSize = min(tuning.rowGroupSize, limit)
        tuning.elementGroupSize = min(tuning.elementGroupSize, limit)
        tuning.headGroupSize = min(tuning.headGroupSize, limit)
        tuning.selectionGroupSize = min(tuning.selectionGroupSize, limit)
        tuning.matmul = tuning.matmul.fitting(localMemoryByteCount: device.localMemoryByteCount)
        tuning.attention.localMemoryByteCount = device.localMemoryByteCount
        // Without AVX-512 a processor has half as many registers, or narrower ones.
        if tuning.family == .cpu, device.kind == .cpu, !ocl_host_has_avx512() {
            tuning.matmul.panelTokens = 4
            tuning.attention.tileRows = 4
        }
        // Threads of a chain hand results to one another in the order in which they wrote them, which is x86's.
        #if arch(x86_64)
            if tuning.family == .cpu, device.platformName == "Portable Computing Language" {
                tuning.chain = ChainTuning()
            }
        #endif
        return tuning
    }

    private static func family(of device: OpenCLDevice) -> Family {
        guard device.kind != .cpu else { return .cpu }
        let vendor = device.vendor.lowercased()
        if vendor.contains("nvidia") { return .nvidia }
        if vendor.contains("advanced micro") || vendor.contains("amd") { return .amd }
        return vendor.contains("intel") && device.kind == .gpu ? .intelGPU : .other
    }

    private static func largestPowerOfTwo(atMost limit: Int) -> Int {
        var power = 1
        while power <= limit / 2 { power *= 2 }
        return power
    }
}

/// How launches of few tokens are recorded and run by one kernel (Kernels/chain).
public struct ChainTuning: Sendable, Hashable {
    /// Fewer launches than this are enqueued one by one: programs of chains take time to compile.
    public var minLaunches = 8
    /// So many are run while the next ones are recorded.
    public var launchesAhead = 48

    public init() {}
}
