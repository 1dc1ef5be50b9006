import ArgumentParser
import Inference
import JSONCore
import ModelIO
import Models
import TensorCore

/// How `bench` prints.
enum BenchFormat: String, ExpressibleByArgument, CaseIterable {
    case md, csv, json, jsonl, sql
}

/// llama-bench's columns, of those that mean something here.
struct BenchReport {
    let format: BenchFormat
    let package: ModelPackage
    let sizes: DecoderDescription
    let options: ModelOptions
    private var backendName = ""
    private var threads = 0
    private var passTokenCount = 0
    private var rowCount = 0

    init(format: BenchFormat, package: ModelPackage, sizes: DecoderDescription, options: ModelOptions) {
        self.format = format
        self.package = package
        self.sizes = sizes
        self.options = options
    }

    private enum Value {
        case text(String)
        case integer(Int)
        case real(Double)
        case reals([Double])
    }

    mutating func begin(backend: any Backend, threadCount: Int?, passTokenCount: Int) {
        backendName = backend.summary
        threads = threadCount ?? 0
        self.passTokenCount = passTokenCount
    }

    func header() -> String {
        switch format {
        case .md:
            "| model | size | params | backend | test | t/s |\n| :-- | --: | --: | :-- | --: | --: |\n"
        case .csv: columns(BenchTest(prompt: 0, decode: 0, depth: 0), []).map(\.name).joined(separator: ",") + "\n"
        case .json: "[\n"
        case .jsonl: ""
        case .sql: sqlTable()
        }
    }

    func footer() -> String { format == .json ? "\n]\n" : "" }

    mutating func row(_ test: BenchTest, _ seconds: [Double]) throws -> String {
        defer { rowCount += 1 }
        let values = columns(test, seconds)
        switch format {
        case .md: return markdown(test, rates(test, seconds))
        case .csv: return values.filter { !$0.isList }.map { "\"\($0.text)\"" }.joined(separator: ",") + "\n"
        case .json: return (rowCount > 0 ? ",\n" : "") + (try json(values))
        case .jsonl: return try json(values) + "\n"
        case .sql:
            let scalars = values.filter { !$0.isList }
            let names = scalars.map(\.name).joined(separator: ", ")
            let texts = scalars.map { "'" + $0.text.replacing("'", with: "''") + "'" }.joined(separator: ", ")
            return "INSERT INTO test (\(names)) VALUES (\(texts));\n"
        }
    }

    private func rates(_ test: BenchTest, _ seconds: [Double]) -> [Double] {
        seconds.map { Double(test.prompt + test.decode) / $0 }
    }

    private func markdown(_ test: BenchTest, _ rates: [Double]) -> String {
        let (mean, deviation) = BenchReport.statistics(rates)
        let size = Double(package.checkpoint.byteCount) / 1_048_576
        let parameters = Double(package.checkpoint.elementCount) / 1e6
        let format = options.dtype?.rawValue ?? "as stored"
        return "| \(sizes.architecture) \(format) | \(fixed(size, digits: 2)) MiB | \(fixed(parameters, digits: 2)) M "
            + "| \(backendName) | \(test.name) | \(fixed(mean, digits: 2)) ± \(fixed(deviation, digits: 2)) |\n"
    }

    private struct Column {
        let name: String
        let value: Value

        var isList: Bool { if case .reals = value { true } else { false } }

        var text: String {
            switch value {
            case .text(let text): text
            case .integer(let integer): "\(integer)"
            case .real(let real): fixed(real, digits: 6)
            case .reals(let reals): reals.map { fixed($0, digits: 6) }.joined(separator: " ")
            }
        }
    }

    private func columns(_ test: BenchTest, _ seconds: [Double]) -> [Column] {
        let nanoseconds = seconds.map { $0 * 1e9 }
        let rates = rates(test, seconds)
        let (meanTime, deviationTime) = BenchReport.statistics(nanoseconds)
        let (meanRate, deviationRate) = BenchReport.statistics(rates)
        return [
            Column(name: "build_version", value: .text(Version.text)),
            Column(name: "backends", value: .text(backendName)),
            Column(name: "model_filename", value: .text(package.name)),
            Column(name: "model_type", value: .text(sizes.architecture)),
            Column(name: "model_size", value: .integer(package.checkpoint.byteCount)),
            Column(name: "model_n_params", value: .integer(package.checkpoint.elementCount)),
            Column(name: "n_batch", value: .integer(passTokenCount)),
            Column(name: "n_threads", value: .integer(threads)),
            Column(name: "type_k", value: .text(options.cacheFormat.rawValue)),
            Column(name: "type_v", value: .text(options.cacheFormat.rawValue)),
            Column(name: "n_prompt", value: .integer(test.prompt)),
            Column(name: "n_gen", value: .integer(test.decode)),
            Column(name: "n_depth", value: .integer(test.depth)),
            Column(name: "avg_ns", value: .integer(Int(meanTime))),
            Column(name: "stddev_ns", value: .integer(Int(deviationTime))),
            Column(name: "avg_ts", value: .real(meanRate)),
            Column(name: "stddev_ts", value: .real(deviationRate)),
            Column(name: "samples_ns", value: .reals(nanoseconds)),
            Column(name: "samples_ts", value: .reals(rates)),
        ]
    }

    private func json(_ columns: [Column]) throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        for column in columns {
            writer.key(column.name)
            switch column.value {
            case .text(let text): writer.value(text)
            case .integer(let integer): writer.value(integer)
            case .real(let real): try writer.value(real)
            case .reals(let reals):
                writer.beginArray()
                for real in reals { try writer.value(real) }
                writer.endArray()
            }
        }
        writer.endObject()
        return writer.text
    }

    private func sqlTable() -> String {
        let columns = columns(BenchTest(prompt: 0, decode: 0, depth: 0), []).filter { !$0.isList }
        let definitions = columns.map { column in
            switch column.value {
            case .integer: "\(column.name) INTEGER"
            case .real: "\(column.name) REAL"
            default: "\(column.name) TEXT"
            }
        }
        return "CREATE TABLE IF NOT EXISTS test (\n  " + definitions.joined(separator: ",\n  ") + "\n);\n"
    }

    /// Mean and sample standard deviation; zeros where there is nothing.
    static func statistics(_ values: [Double]) -> (mean: Double, deviation: Double) {
        guard !values.isEmpty else { return (0, 0) }
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (mean, values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0)
    }
}
