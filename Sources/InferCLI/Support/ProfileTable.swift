import TensorCore

/// The table that `--profile` prints on standard error: kernels by time, with the rates they reached.
struct ProfileTable {
    let entries: [ProfileEntry]

    init(_ entries: [ProfileEntry]) { self.entries = entries }

    func print() {
        let total = entries.reduce(0) { $0 + $1.seconds }
        let header = ["kernel", "launches", "time ms", "share %", "GB/s", "GFLOP/s"]
        let rows = entries.map { entry in
            let rate = entry.seconds > 0 ? 1e-9 / entry.seconds : 0
            return [
                entry.kernel, "\(entry.launches)", fixed(entry.seconds * 1e3, digits: 3),
                fixed(total > 0 ? 100 * entry.seconds / total : 0, digits: 1),
                fixed(Double(entry.byteCount) * rate, digits: 2), fixed(Double(entry.flopCount) * rate, digits: 2),
            ]
        }
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        for row in [header] + rows {
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }
            StandardErrorLog.line(cells.joined(separator: "  "))
        }
    }
}
