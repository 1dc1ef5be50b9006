package import ArgumentParser
import CommandSupport
import Devices
import Foundation
package import TensorCore

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
        "matmul", "attention", "norm", "activation", "rope", "softmax", "argmax", "topk", "embed", "store",
    ]

    @Option(help: ArgumentHelp("Only these: " + names.joined(separator: ", ") + ".", valueName: "names"))
    var only: String?

    @Option(
        help: ArgumentHelp(
            "Models whose sizes are taken: " + ModelShape.all.map(\.name).joined(separator: ", ")
                + ", or all.", valueName: "names"))
    var shape: ShapeList?

    @Option(help: ArgumentHelp("Weight formats, or all.", valueName: "names"))
    var formats: FormatList?

    @Option(help: "Tokens of a pass, as 1,16,128.")
    var tokens: CountList?

    @Option(help: "Tokens of context for attention.")
    var contexts: CountList?

    @Option(name: .customLong("kv-dtypes"), help: "Number formats of the cache, as float32,float16; not int8.")
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

    /// The cases of every shape, in order.
    package var groups: [OpGroup] {
        let shapes =
            shape?.shapes ?? (full ? ModelShape.all : ["gpt2-124m", "llama-135m"].compactMap(ModelShape.named))
        let formats = formats?.formats ?? (full ? WeightFormat.allCases : [.float32, .bfloat16, .q8_0, .q4_0, .q4_K])
        let counts = tokens?.counts ?? (full ? [1, 16, 128, 512, 2048] : [1, 16, 512])
        let contexts = contexts?.counts ?? (full ? [128, 512, 2048, 8192, 32768] : [512, 4096])
        let caches = cacheTypes?.types ?? (full ? [.float32, .float16, .bfloat16] : [.float32, .float16])
        return shapes.flatMap { shape in
            OpGroup.all(
                shape, formats: formats, cacheTypes: caches, tokenCounts: counts, contextLengths: contexts)
        }.filter { wantedOps.contains($0.op) }
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
        let used = formats?.formats ?? (full ? WeightFormat.allCases : [.float32, .bfloat16, .q8_0, .q4_0, .q4_K])
        let ceilings = try CeilingProbe(selected, threadCount: threads, formats: used).measure()
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

/// `--kv-dtypes`: those that are one buffer of numbers, so not int8, which has scales beside it.
package struct CacheTypeList: ExpressibleByArgument, Sendable {
    package let types: [DType]

    package init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let types = names.compactMap { CacheFormatArgument(argument: $0)?.dtype }
        guard types.count == names.count, !types.isEmpty, !types.contains(.int8) else { return nil }
        self.types = types
    }
}
