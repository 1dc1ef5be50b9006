package import CommandSupport
import Foundation
import JSONCore

/// The counts that a change must not raise unnoticed, as `Benchmarks/baselines/counts.json` keeps them.
package struct CountsBaseline: Sendable, Hashable {
    package struct Entry: Sendable, Hashable {
        package let key: String
        /// In the order of `CountsMeasurement.names`.
        package let counts: [Int]

        package init(key: String, counts: [Int]) {
            self.key = key
            self.counts = counts
        }

        package func row() -> TableRow {
            var row = TableRow()
            row.add("suite", "counts")
            row.add("measured", key)
            row.show("measured", key)
            for (name, count) in zip(CountsMeasurement.names, counts) {
                row.add(name, count)
                row.show(number: name.replacing("_", with: " "), "\(count)")
            }
            return row
        }
    }

    private let expected: [String: [Int]]

    /// - Throws: `BenchmarkError.unreadableBaseline`; `JSONError` naming the file.
    package init(path: String) throws {
        let bytes: [UInt8]
        do {
            bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw BenchmarkError.unreadableBaseline(path: path)
        }
        try self.init(parsing: bytes, source: path)
    }

    package init(parsing bytes: [UInt8], source: String) throws {
        var expected: [String: [Int]] = [:]
        for (key, value) in try JSONDocument(parsing: bytes, source: source).root.requireObject() {
            expected[key] = try CountsMeasurement.names.map { try value.requireInt($0) }
        }
        self.expected = expected
    }

    /// The models that it has entries of.
    package var names: Set<String> { Set(expected.keys.compactMap { $0.split(separator: ",").first.map(String.init) }) }

    /// One line for each count that is not the baseline's, and for each entry that the baseline lacks.
    package func differences(_ entries: [Entry]) -> [String] {
        entries.flatMap { entry in
            guard let counts = expected[entry.key] else { return ["\(entry.key): not in the baseline"] }
            return zip(CountsMeasurement.names, zip(entry.counts, counts)).filter { $1.0 != $1.1 }.map { name, pair in
                "\(entry.key): \(pair.0) \(name), baseline \(pair.1)"
            }
        }
    }

    /// Writes a baseline anew, one entry a line.
    package static func write(_ entries: [Entry], to path: String) throws {
        let lines = entries.map { entry in
            let members = zip(CountsMeasurement.names, entry.counts).map { "\"\($0)\": \($1)" }
            return "  \"\(entry.key)\": {\(members.joined(separator: ", "))}"
        }
        let text = "{\n" + lines.joined(separator: ",\n") + "\n}\n"
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        } catch {
            throw OutputError.failed(name: path, reason: "\(error.localizedDescription)")
        }
    }
}
