package import ArgumentParser
import CommandSupport
import Devices
import Foundation
internal import OpCases
internal import TensorCore

/// `bench ops`: each kernel on each device over the sizes that models have.
package struct OpsCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "ops",
        abstract: "Each op alone, over the sizes of known models, held against the device's ceilings.",
        discussion: """
            The ceilings (copy and read bandwidth, matrix products by format, the BLAS at hand) are measured first. Then
            each op: median and 90th percentile of one call, GB/s of the bytes it must move, GFLOP/s, and its share of
            the least time that the ceilings allow. Outputs are checked against a reference in double precision.
            """)

    private static let names = [
        "matmul", "attention", "store_attend", "encoder_attention", "norm", "head_norm", "activation", "rope",
        "soft_cap", "softmax", "argmax", "topk", "gather", "embed", "store", "experts", "combine",
    ]

    @Option(help: ArgumentHelp("Only these: " + names.joined(separator: ", ") + ".", valueName: "names"))
    var only: String?

    @Option(
        help: ArgumentHelp(
            "Models whose sizes are taken.",
            discussion: """
                Left out: gpt2-124m and llama-135m, and of gemma2-2b and qwen3-30b-a3b the ops that those lack, mixtures
                with up to \(Self.mostExpertTokens) tokens and 1 GiB of weights.
                """, valueName: "names"))
    var shape: OpShapeList?

    @Option(help: ArgumentHelp("Weight formats, or all.", valueName: "names"))
    var formats: FormatList?

    @Option(help: "Tokens of a pass, as 1,16,128.")
    var tokens: CountList?

    @Option(help: "Tokens of context for attention.")
    var contexts: CountList?

    @Option(name: .customLong("kv-dtypes"), help: "Number formats of the cache, as float32,int8, or all.")
    var cacheTypes: CacheTypeList?

    @Option(help: "Where to run: auto, cpu, opencl or opencl:N; left out, every device there is.")
    var device: DeviceChoice?

    @Option(name: [.customShort("t"), .long], help: "Threads of the CPU backend; left out, one a core.")
    var threads: Int?

    @Flag(help: "Every model, format, number of tokens and context; takes hours on a small machine.")
    var full = false

    @Flag(help: "Also prints the bytes that each op must move, the least time that takes, and the gap to it.")
    var profile = false

    @OptionGroup var results: ResultOptions

    package init() {}

    package func validate() throws {
        try OptionRange.check("--threads", threads, in: 1...1024)
        for count in tokens?.counts ?? [] { try OptionRange.check("--tokens", count, in: 1...65_536) }
        for count in contexts?.counts ?? [] { try OptionRange.check("--contexts", count, in: 1...(1 << 20)) }
        for name in wantedOps where !Self.names.contains(name) {
            throw ValidationError("\(BenchmarkError.unknownOp(name: name, known: Self.names))")
        }
    }

    private var wantedOps: [String] { only?.split(separator: ",").map(String.init) ?? Self.names }

    private static let mostExpertTokens = 16
    private static let mostWeightBytes = 1 << 30

    private var weightFormats: [WeightFormat] {
        formats?.formats ?? (full ? WeightFormat.allCases : [.float32, .bfloat16, .q8_0, .q4_0, .q4_K])
    }

    /// The cases of every shape, in order.
    package var groups: [OpGroup] {
        let groups: [OpGroup]
        if let shape {
            groups = shape.shapes.flatMap(allGroups)
        } else if full {
            groups = ModelShape.all.flatMap(allGroups) + ModelShape.layers.flatMap(ownGroups)
        } else {
            groups =
                ["gpt2-124m", "llama-135m"].compactMap(ModelShape.named).flatMap(allGroups)
                + ["gemma2-2b", "qwen3-30b-a3b"].compactMap(ModelShape.named).flatMap(ownGroups)
                .filter { $0.weightByteCount <= Self.mostWeightBytes }
        }
        return groups.filter { wantedOps.contains($0.op) }
    }

    private func allGroups(_ shape: ModelShape) -> [OpGroup] {
        // Ascending: a case of more tokens grows the scratch that the ones before it need.
        let counts = tokens?.counts.sorted() ?? (full ? [1, 16, 128, 512, 2048] : [1, 16, 512])
        let contexts = contexts?.counts ?? (full ? [128, 512, 2048, 8192, 32768] : [512, 4096])
        let caches = cacheTypes?.types ?? (full ? KVCacheLayer.dtypes : [.float32, .float16, .int8])
        // Prompts of mixtures take long where every choice is a product of its own.
        let isCut = tokens == nil && !full
        return OpGroup.all(
            shape, formats: weightFormats, cacheTypes: caches, tokenCounts: counts,
            expertTokenCounts: isCut ? counts.filter { $0 <= Self.mostExpertTokens } : counts, contextLengths: contexts)
    }

    private func ownGroups(_ shape: ModelShape) -> [OpGroup] {
        allGroups(shape).filter { shape.ownOps.contains($0.op) }
    }

    package func run() throws {
        var output = try ResultOutput(results)
        var failures: [(name: String, error: Double)] = []
        for choice in device.map({ [$0] }) ?? DeviceSelection.availableChoices() {
            failures += try measure(choice, &output)
        }
        try output.end()
        if let worst = failures.max(by: { $0.error < $1.error }) {
            throw BenchmarkError.wrongOutput(
                cases: failures.map(\.name), worst: "\(worst.name) has an NMSE of \(worst.error)")
        }
    }

    private func measure(
        _ choice: DeviceChoice, _ output: inout ResultOutput
    ) throws -> [(name: String, error: Double)] {
        let selected = try DeviceSelection.makeBackend(
            choice, threadCount: threads, environment: ProcessInfo.processInfo.environment)
        StandardErrorLog.line("infer: \(selected.summary)")
        let ceilings = try CeilingProbe(selected, threadCount: threads, formats: weightFormats).measure()
        try output.begin("ceilings")
        for row in ceilings.rows() { try output.write(row) }
        let context = OpContext(
            backend: selected.backend, ceilings: ceilings, rotationByteCount: CacheSize.rotationByteCount)
        let timing = OpTiming(budgetSeconds: full ? 0.3 : 0.1)
        try output.begin("ops")
        var failures: [(name: String, error: Double)] = []
        for group in groups {
            for op in try group.prepare(context) {
                let error = try op.error()
                guard error <= op.tolerance else {
                    failures.append((op.opCase.name, error))
                    continue
                }
                let seconds = try timing.measure(on: selected.backend, op.call)
                try output.write(row(op, seconds, device: selected.backend.summary))
            }
        }
        return failures
    }

    private func row(_ op: PreparedOp, _ seconds: SampleStatistics, device: String) -> TableRow {
        let opCase = op.opCase
        let median = seconds.median
        let floor = op.rates.floorSeconds(byteCount: Double(opCase.byteCount), flopCount: Double(opCase.flopCount))
        var row = TableRow()
        row.add("suite", "ops")
        row.add("backends", device)
        row.add("op", opCase.op)
        row.add("model_shape", opCase.shape)
        row.add("operand", opCase.operand)
        row.add("format", opCase.format)
        row.add("n_tokens", opCase.tokenCount)
        row.add("n_context", opCase.contextLength)
        row.add("bytes", opCase.byteCount)
        row.add("flops", opCase.flopCount)
        row.add("median_ns", median * 1e9)
        row.add("p90_ns", seconds.percentile(90) * 1e9)
        row.add("gb_per_s", Double(opCase.byteCount) / median * 1e-9)
        row.add("gflop_per_s", Double(opCase.flopCount) / median * 1e-9)
        row.add("floor_ns", floor * 1e9)
        row.add("share", floor / median)
        row.show("op", opCase.op)
        row.show("model", opCase.shape)
        row.show("operand", opCase.operand)
        row.show("format", opCase.format)
        row.show(number: "T", "\(opCase.tokenCount)")
        row.show(number: "context", opCase.contextLength > 0 ? "\(opCase.contextLength)" : "")
        row.show(number: "median µs", fixed(median * 1e6, digits: 1))
        row.show(number: "p90 µs", fixed(seconds.percentile(90) * 1e6, digits: 1))
        row.show(number: "GB/s", fixed(Double(opCase.byteCount) / median * 1e-9, digits: 1))
        row.show(number: "GFLOP/s", fixed(Double(opCase.flopCount) / median * 1e-9, digits: 1))
        row.show(number: "share %", fixed(100 * floor / median, digits: 0))
        if profile {
            row.show(number: "MB", fixed(Double(opCase.byteCount) * 1e-6, digits: 2))
            row.show(number: "floor µs", fixed(floor * 1e6, digits: 1))
            row.show(number: "gap µs", fixed((median - floor) * 1e6, digits: 1))
        }
        return row
    }
}
