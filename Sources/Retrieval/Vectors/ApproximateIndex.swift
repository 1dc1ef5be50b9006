internal import TensorCore

/// Which vectors are compared with a query.
public enum VectorSearch: Sendable, Hashable, CustomStringConvertible {
    /// All vectors.
    case exact
    /// The vectors in the lists of the nearest centres.
    case ivf(probeCount: Int)
    /// The vectors that a walk through a graph meets, with `width` candidates kept on the way.
    case hnsw(width: Int)

    /// The approximate index to use; `nil`: exact search.
    var kind: ApproximateKind? {
        switch self {
        case .exact: nil
        case .ivf: .ivf
        case .hnsw: .hnsw
        }
    }

    public var description: String {
        switch self {
        case .exact: "exact"
        case .ivf(let probeCount): "ivf:\(probeCount)"
        case .hnsw(let width): "hnsw:\(width)"
        }
    }

    /// `exact`, `ivf`, `hnsw`, the latter two also with a number, as `hnsw:64`; `nil` for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let number = parts.count == 2 ? Int(parts[1]) : nil
        guard parts.count == 1 || number.map({ (1...1_000_000).contains($0) }) == true else { return nil }
        switch parts[0] {
        case "exact" where parts.count == 1: self = .exact
        case "ivf": self = .ivf(probeCount: number ?? 8)
        case "hnsw": self = .hnsw(width: number ?? 64)
        default: return nil
        }
    }
}

/// The kinds of approximate indexes that a collection can have besides its vectors.
public enum ApproximateKind: String, Sendable, CaseIterable {
    case ivf, hnsw
}

/// An approximate index over the vectors of a collection.
enum ApproximateIndex: Sendable {
    case ivf(IVFIndex)
    case hnsw(HNSWIndex)

    func search(_ query: [Float], _ search: VectorSearch, count: Int, allowed: Set<Int64>?) -> [Hit] {
        switch self {
        case .ivf(let index):
            var probes = index.centers.count
            if case .ivf(let count) = search { probes = count }
            return index.search(query, count: count, probeCount: probes, allowed: allowed)
        case .hnsw(let index):
            var width = count
            if case .hnsw(let wanted) = search { width = wanted }
            return index.search(query, count: count, width: width, allowed: allowed)
        }
    }

    /// The index as a collection stores it, in little-endian 32-bit numbers.
    ///
    ///   ivf:   lists, then the centres, then per list { count, places in the table }
    ///   hnsw:  entry, layers, then per layer { vectors with links, then per vector { place, count, places } }
    var encoded: [UInt32] {
        switch self {
        case .ivf(let index):
            var numbers = [UInt32(index.centers.count)]
            for center in index.centers { numbers += center.map(\.bitPattern) }
            for list in index.lists { numbers += [UInt32(list.count)] + list }
            return numbers
        case .hnsw(let index):
            var numbers = [index.entry ?? 0, UInt32(index.layers.count)]
            for layer in index.layers {
                let linked = (0..<UInt32(index.table.count)).filter { !layer.links(of: $0).isEmpty }
                numbers.append(UInt32(linked.count))
                for place in linked {
                    let links = layer.links(of: place)
                    numbers += [place, UInt32(links.count)] + links
                }
            }
            return numbers
        }
    }

    /// `nil` where the numbers are not what ``encoded`` gives for this table.
    init?(_ kind: ApproximateKind, _ numbers: [UInt32], _ table: VectorTable) {
        var reader = NumberReader(numbers, limit: table.count)
        switch kind {
        case .ivf:
            guard let index = IVFIndex(&reader, table) else { return nil }
            self = .ivf(index)
        case .hnsw:
            guard let index = HNSWIndex(&reader, table) else { return nil }
            self = .hnsw(index)
        }
        guard reader.isAtEnd else { return nil }
    }
}

/// Reads numbers one after another; `nil` where they end or a place lies outside of the table.
struct NumberReader {
    private let numbers: [UInt32]
    private let limit: Int
    private var position = 0

    init(_ numbers: [UInt32], limit: Int) {
        self.numbers = numbers
        self.limit = limit
    }

    var isAtEnd: Bool { position == numbers.count }

    mutating func number() -> UInt32? {
        guard position < numbers.count else { return nil }
        defer { position += 1 }
        return numbers[position]
    }

    mutating func place() -> UInt32? { number().flatMap { Int($0) < limit ? $0 : nil } }

    mutating func places(_ count: UInt32?) -> [UInt32]? {
        guard let count = count.map(Int.init), count <= numbers.count - position else { return nil }
        let places = Array(numbers[position..<position + count])
        position += count
        return places.allSatisfy { Int($0) < limit } ? places : nil
    }

    mutating func floats(_ count: Int) -> [Float]? {
        guard count <= numbers.count - position else { return nil }
        defer { position += count }
        return numbers[position..<position + count].map { Float(bitPattern: $0) }
    }
}

extension IVFIndex {
    fileprivate init?(_ reader: inout NumberReader, _ table: VectorTable) {
        guard let count = reader.number().map(Int.init), count <= table.count else { return nil }
        var centers: [[Float]] = []
        for _ in 0..<count {
            guard let center = reader.floats(table.dimensionCount) else { return nil }
            centers.append(center)
        }
        var lists: [[UInt32]] = []
        for _ in 0..<count {
            guard let list = reader.places(reader.number()) else { return nil }
            lists.append(list)
        }
        guard lists.reduce(0, { $0 + $1.count }) == table.count else { return nil }
        self.init(table, centers: centers, lists: lists)
    }
}

extension HNSWIndex {
    fileprivate init?(_ reader: inout NumberReader, _ table: VectorTable) {
        guard table.count > 0, let entry = reader.place(), let layers = reader.number(), (1...32).contains(layers)
        else {
            return nil
        }
        var read: [GraphLayer] = []
        for number in 0..<layers {
            guard let count = reader.number() else { return nil }
            var lists: [(place: UInt32, links: [UInt32])] = []
            for _ in 0..<count {
                guard let place = reader.place(), let links = reader.places(reader.number()),
                    links.count <= HNSWIndex.linkLimit
                else { return nil }
                lists.append((place, links))
            }
            var layer = GraphLayer(
                limit: max(lists.map(\.links.count).max() ?? 0, 1), vectorCount: table.count, isLowest: number == 0)
            for (place, links) in lists {
                layer.add(place)
                layer.setLinks(of: place, to: links)
            }
            read.append(layer)
        }
        self.init(table, layers: read, entry: entry)
    }
}
