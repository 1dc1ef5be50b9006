/// One row range of a weight matrix, in host memory.
public struct WeightPart: Sendable {
    /// Output channels of this part.
    public let rows: Int
    /// `rows` packed rows in the weight's format.
    public let bytes: HostBytes
    /// FP32 scales, one a row; only for `WeightFormat.int8`.
    public let scales: HostBytes?

    public init(rows: Int, bytes: HostBytes, scales: HostBytes? = nil) {
        self.rows = rows
        self.bytes = bytes
        self.scales = scales
    }
}

extension WeightPart {
    /// The same rows in as few parts as there are runs of parts that lie one behind the other in one owner's memory.
    public static func joined(_ parts: [WeightPart]) -> [WeightPart] {
        var joined: [WeightPart] = []
        for part in parts {
            guard let last = joined.last, last.scales == nil, part.scales == nil, last.bytes.owner === part.bytes.owner,
                let start = last.bytes.pointer.baseAddress, let next = part.bytes.pointer.baseAddress,
                start + last.bytes.byteCount == next
            else {
                joined.append(part)
                continue
            }
            let bytes = UnsafeRawBufferPointer(start: start, count: last.bytes.byteCount + part.bytes.byteCount)
            joined[joined.count - 1] = WeightPart(
                rows: last.rows + part.rows, bytes: HostBytes(owner: part.bytes.owner, pointer: bytes))
        }
        return joined
    }
}

/// A weight matrix `[N, K]` as the loader hands it to a backend: parts of rows, one below the other.
///
/// Projections that read the same input (query, key and value; gate and up) are loaded as parts of one weight, so that
/// one op computes them and no concatenated copy is made where the backend can read the parts where they lie.
public struct WeightSource: Sendable {
    /// The tensor names in the file, for errors.
    public let name: String
    public let format: WeightFormat
    /// `K`, the input features.
    public let columns: Int
    public let parts: [WeightPart]

    /// - Precondition: at least one part, and every part's bytes are exactly `rows` rows of `columns` values.
    public init(name: String, format: WeightFormat, columns: Int, parts: [WeightPart]) {
        precondition(!parts.isEmpty, "weight \(name) has no parts")
        for part in parts {
            let byteCount = format.rowByteCount(columns: columns).map { $0 * part.rows }
            precondition(part.bytes.byteCount == byteCount, "weight \(name) has the wrong byte count")
            precondition((part.scales?.byteCount ?? 0) == (format == .int8 ? part.rows * 4 : 0), "scales of \(name)")
        }
        self.name = name
        self.format = format
        self.columns = columns
        self.parts = parts
    }

    /// A copy of a weight of one part with its rows in another order.
    /// - Precondition: one part, and `order` names each of its rows once.
    public func reordered(_ order: [Range<Int>]) -> WeightSource {
        precondition(parts.count == 1 && order.reduce(0) { $0 + $1.count } == rows, "the order of \(name)'s rows")
        let rowByteCount = rows == 0 ? 0 : byteCount / rows
        return WeightSource(
            name: name, format: format, columns: columns,
            parts: [
                WeightPart(
                    rows: rows, bytes: parts[0].bytes.reordered(order, rowByteCount: rowByteCount),
                    scales: parts[0].scales?.reordered(order, rowByteCount: MemoryLayout<Float>.size))
            ])
    }

    /// The rows of a weight of one part but the first `count`, where they lie.
    /// - Precondition: one part, which has more rows than that.
    public func droppingRows(_ count: Int) -> WeightSource {
        precondition(parts.count == 1 && (0..<rows).contains(count), "\(count) of \(name)'s \(rows) rows")
        func rest(_ bytes: HostBytes) -> HostBytes {
            let skipped = bytes.byteCount / rows * count
            return HostBytes(
                owner: bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: bytes.pointer[skipped...]))
        }
        let part = WeightPart(rows: rows - count, bytes: rest(parts[0].bytes), scales: parts[0].scales.map(rest))
        return WeightSource(name: name, format: format, columns: columns, parts: [part])
    }

    /// `N`, the output channels of all parts.
    public var rows: Int { parts.reduce(0) { $0 + $1.rows } }
    public var byteCount: Int { parts.reduce(0) { $0 + $1.bytes.byteCount } }
}

/// A weight matrix prepared for one backend: repacked, uploaded, or mapped as it is.
///
/// - `N` (`rows`): output channels; `K` (`columns`): input features.
public protocol Weight: AnyObject, Sendable {
    var name: String { get }
    var format: WeightFormat { get }
    var rows: Int { get }
    var columns: Int { get }
    /// Output channels of each part, in order.
    var partRows: [Int] { get }
}
