package import CommandSupport
package import Inference
import ModelIO
import Models
import TensorCore

/// What llama-bench says of the model and the device in every row.
package struct RunDescription: Sendable {
    package var modelName = ""
    package var architecture = ""
    package var shape = ""
    package var format = ""
    package var byteCount = 0
    package var parameterCount = 0
    package var backend = ""
    package var threadCount = 0
    package var passTokenCount = 0
    package var cacheFormat = ""
    /// What `--precision` says, or `auto`.
    package var precision = "auto"

    package init() {}

    package init(
        _ source: BenchModelSource, _ package: ModelPackage, _ options: ModelOptions, passTokenCount: Int
    ) throws {
        modelName = package.name
        architecture =
            package.kind == .decoder ? try package.describe().architecture : package.configuration.modelType
        shape = source.shapeName ?? ""
        format = source.formatName
        byteCount = package.checkpoint.byteCount
        parameterCount = package.checkpoint.elementCount
        self.passTokenCount = passTokenCount
        threadCount = options.threads?.counts.first ?? 0
        var engine = options.engineOptions()
        engine.weightFormat = source.weightFormat
        cacheFormat = engine.cacheType(for: package.checkpoint).rawValue
        precision = options.precision?.rawValue ?? "auto"
    }

    /// Model and format, as tables name them.
    package var title: String { (shape.isEmpty ? architecture : shape) + " " + format }

    /// Model, format and device, as fields that every suite with a model has.
    package func addFields(to row: inout TableRow) {
        row.add("build_version", Version.text)
        row.add("backends", backend)
        row.add("model_filename", modelName)
        row.add("model_type", architecture)
        row.add("model_shape", shape)
        row.add("weight_format", format)
        row.add("model_size", byteCount)
        row.add("model_n_params", parameterCount)
        row.add("n_batch", passTokenCount)
        row.add("n_threads", threadCount)
        row.add("precision", precision)
        row.add("type_k", cacheFormat)
        row.add("type_v", cacheFormat)
    }

    package func addCells(to row: inout TableRow) {
        row.show("model", title)
        row.show(number: "size", fixed(Double(byteCount) / 1_048_576, digits: 2) + " MiB")
        row.show(number: "params", fixed(Double(parameterCount) / 1e6, digits: 2) + " M")
        row.show("backend", backend)
    }

    /// A row of the latency suite, with llama-bench's columns.
    /// - Parameter seconds: of each run.
    package func row(_ test: LatencyTest, seconds: [Double]) -> TableRow {
        let nanoseconds = SampleStatistics(seconds.map { $0 * 1e9 })
        let rates = SampleStatistics(seconds.map { Double(test.tokenCount) / $0 })
        var row = TableRow()
        row.add("suite", "latency")
        addFields(to: &row)
        row.add("test", test.name)
        row.add("n_prompt", test.prompt)
        row.add("n_gen", test.decode)
        row.add("n_depth", test.depth)
        row.add("avg_ns", Int(nanoseconds.mean))
        row.add("stddev_ns", Int(nanoseconds.standardDeviation))
        row.add("avg_ts", rates.mean)
        row.add("stddev_ts", rates.standardDeviation)
        row.add("samples_ns", seconds.map { $0 * 1e9 })
        row.add("samples_ts", seconds.map { Double(test.tokenCount) / $0 })
        addCells(to: &row)
        row.show("test", test.name)
        row.show(
            number: "t/s", fixed(rates.mean, digits: 2) + " ± " + fixed(rates.standardDeviation, digits: 2))
        return row
    }
}
