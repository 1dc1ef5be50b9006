package import CommandSupport
package import TensorCore

/// The best rates that anything the harness has reaches on a device, and what reached them.
package struct Ceilings: Sendable {
    package struct Rate: Sendable, Hashable {
        package var perSecond: Double
        package var reachedBy: String

        package init(perSecond: Double, reachedBy: String) {
            self.perSecond = perSecond
            self.reachedBy = reachedBy
        }
    }

    package var device: String
    /// Bytes read and bytes written.
    package var copy: Rate
    package var read: Rate
    /// Floating-point operations of matrix products, by the weights' format.
    package var products: [WeightFormat: Rate]
    /// FP32 products of the BLAS at hand.
    package var blas: Rate?

    package init(
        device: String, copy: Rate, read: Rate, products: [WeightFormat: Rate], blas: Rate? = nil
    ) {
        self.device = device
        self.copy = copy
        self.read = read
        self.products = products
        self.blas = blas
    }

    /// Of FP32, whoever reaches it.
    package var floatProducts: Rate {
        let own = products[.float32] ?? Rate(perSecond: 0, reachedBy: "")
        return [own, blas].compactMap(\.self).max { $0.perSecond < $1.perSecond } ?? own
    }

    /// The rates that an op on weights of a format is held against.
    package func rates(for format: WeightFormat) -> DeviceRates {
        DeviceRates(
            readBytesPerSecond: read.perSecond,
            flopsPerSecond: max(floatProducts.perSecond, products[format]?.perSecond ?? 0))
    }

    package var rates: DeviceRates {
        let best = products.values.map(\.perSecond).max() ?? 0
        return DeviceRates(
            readBytesPerSecond: read.perSecond, flopsPerSecond: max(floatProducts.perSecond, best))
    }

    /// One row a ceiling.
    package func rows() -> [TableRow] {
        func row(_ name: String, _ rate: Rate, _ unit: String) -> TableRow {
            var row = TableRow()
            row.add("suite", "ceilings")
            row.add("backends", device)
            row.add("ceiling", name)
            row.add("rate", rate.perSecond * 1e-9)
            row.add("unit", unit)
            row.add("reached_by", rate.reachedBy)
            row.show("backend", device)
            row.show("ceiling", name)
            row.show(number: "rate", fixed(rate.perSecond * 1e-9, digits: 1) + " " + unit)
            row.show("reached by", rate.reachedBy)
            return row
        }
        var rows = [row("copy", copy, "GB/s"), row("read", read, "GB/s")]
        for format in WeightFormat.allCases {
            if let rate = products[format] { rows.append(row("products \(format.rawValue)", rate, "GFLOP/s")) }
        }
        if let blas { rows.append(row("products BLAS", blas, "GFLOP/s")) }
        return rows
    }
}
