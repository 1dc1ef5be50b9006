package import TensorCore

/// Rates that a device reaches at best, for telling how far an op is from them.
package struct DeviceRates: Sendable, Hashable {
    /// Of memory that is read once.
    package var readBytesPerSecond: Double
    /// Of matrix products, a multiply-add counting two.
    package var flopsPerSecond: Double

    package init(readBytesPerSecond: Double, flopsPerSecond: Double) {
        self.readBytesPerSecond = readBytesPerSecond
        self.flopsPerSecond = flopsPerSecond
    }

    /// The least seconds that moving `byteCount` bytes and computing `flopCount` operations can take: the roofline.
    /// (Williams, Waterman and Patterson, 2009)
    package func floorSeconds(byteCount: Double, flopCount: Double) -> Double {
        max(
            readBytesPerSecond > 0 ? byteCount / readBytesPerSecond : 0,
            flopsPerSecond > 0 ? flopCount / flopsPerSecond : 0)
    }
}

/// The table that `--profile` prints on standard error: kernels by time, with the rates they reached; where the device's
/// ceilings are known also the least time that each could take, and what it takes more.
package struct ProfileTable {
    private let entries: [ProfileEntry]
    private let unit: (name: String, count: Int)?
    private let ceilings: DeviceRates?

    /// - Parameter unit: what times and bytes are divided by, such as the tokens that were decoded.
    package init(_ entries: [ProfileEntry], unit: (name: String, count: Int)? = nil, ceilings: DeviceRates? = nil) {
        self.entries = entries
        self.unit = unit
        self.ceilings = ceilings
    }

    package func print(title: String? = nil) {
        if let title { StandardErrorLog.line("profile of \(title)" + (unit.map { ", one \($0.name)" } ?? "")) }
        for line in lines() { StandardErrorLog.line(line) }
    }

    /// The table's lines, columns aligned.
    package func lines() -> [String] {
        let rows = [header] + entries.map(row) + (ceilings == nil ? [] : [totals])
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
        }
    }

    private var header: [String] {
        ["kernel", "launches", "time ms", "share %", "GB/s", "GFLOP/s"]
            + (ceilings == nil ? [] : ["MB", "floor ms", "gap ms"])
    }

    private var divisor: Double { Double(max(unit?.count ?? 1, 1)) }

    private var totalSeconds: Double { entries.reduce(0) { $0 + $1.seconds } }

    private func floorSeconds(_ entry: ProfileEntry) -> Double {
        ceilings?.floorSeconds(byteCount: Double(entry.byteCount), flopCount: Double(entry.flopCount)) ?? 0
    }

    private func row(_ entry: ProfileEntry) -> [String] {
        let rate = entry.seconds > 0 ? 1e-9 / entry.seconds : 0
        let launches = Double(entry.launches) / divisor
        let cells = [
            entry.kernel, fixed(launches, digits: launches == launches.rounded() ? 0 : 1),
            milliseconds(entry.seconds),
            fixed(totalSeconds > 0 ? 100 * entry.seconds / totalSeconds : 0, digits: 1),
            fixed(Double(entry.byteCount) * rate, digits: 2), fixed(Double(entry.flopCount) * rate, digits: 2),
        ]
        guard ceilings != nil else { return cells }
        let floor = floorSeconds(entry)
        return cells + [
            fixed(Double(entry.byteCount) / divisor * 1e-6, digits: 2), milliseconds(floor),
            milliseconds(entry.seconds - floor),
        ]
    }

    private var totals: [String] {
        let floor = entries.reduce(0) { $0 + floorSeconds($1) }
        let bytes = entries.reduce(0) { $0 + $1.byteCount }
        let launches = entries.reduce(0) { $0 + $1.launches }
        return [
            "all", fixed(Double(launches) / divisor, digits: 0), milliseconds(totalSeconds), "100.0", "", "",
            fixed(Double(bytes) / divisor * 1e-6, digits: 2), milliseconds(floor), milliseconds(totalSeconds - floor),
        ]
    }

    private func milliseconds(_ seconds: Double) -> String { fixed(seconds / divisor * 1e3, digits: 3) }
}
