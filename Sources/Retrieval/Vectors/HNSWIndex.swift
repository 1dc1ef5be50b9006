import Glibc
internal import TensorCore
internal import VectorKernels

/// Approximate search over a graph: each vector is linked to near ones, on few layers of ever fewer vectors, and a query
/// walks from layer to layer towards what is near. (Malkov and Yashunin, 2018, "Efficient and robust approximate nearest
/// neighbor search using Hierarchical Navigable Small World graphs")
package struct HNSWIndex: Sendable {
    package struct Parameters: Sendable, Hashable {
        /// Links of a vector on each upper layer; the lowest layer has twice as many.
        package var linkCount = 16
        /// Candidates that are kept while the neighbours of a new vector are searched.
        package var constructionWidth = 120

        package init(linkCount: Int = 16, constructionWidth: Int = 120) {
            precondition(
                (2...128).contains(linkCount) && constructionWidth > 0, "\(linkCount) links, width \(constructionWidth)"
            )
            self.linkCount = linkCount
            self.constructionWidth = constructionWidth
        }
    }

    /// Links that a vector has at most, whatever the parameters.
    static let linkLimit = 256

    /// What one insertion writes to, kept for the next.
    private struct Scratch {
        var found: [UInt32] = []
        var scores: [Float] = []
        var chosen: [UInt32]

        init(_ parameters: Parameters) { chosen = [UInt32](repeating: 0, count: parameters.linkCount) }
    }

    package let table: VectorTable
    /// From the lowest.
    private(set) var layers: [GraphLayer]
    private(set) var entry: UInt32?
    private let walkers: GraphWalkerPool

    init(_ table: VectorTable, layers: [GraphLayer], entry: UInt32?) {
        self.table = table
        self.layers = layers
        self.entry = entry
        walkers = GraphWalkerPool(vectorCount: table.count)
    }

    /// Links all vectors, one after another. The same table gives the same graph.
    package init(_ table: VectorTable, parameters: Parameters = Parameters()) {
        self.init(
            table, layers: [GraphLayer(limit: 2 * parameters.linkCount, vectorCount: table.count, isLowest: true)],
            entry: nil)
        let scale = 1 / Glibc.log(Double(parameters.linkCount))
        var scratch = Scratch(parameters)
        guard let walker = GraphWalker(vectorCount: table.count) else { return }
        var generator = SplitMix64(seed: 3)
        for index in 0..<table.count {
            let draw = max(generator.unit(), 1e-12)
            insert(UInt32(index), level: min(Int(-Glibc.log(draw) * scale), 12), parameters, walker, &scratch)
        }
    }

    private mutating func insert(
        _ index: UInt32, level: Int, _ parameters: Parameters, _ walker: GraphWalker, _ scratch: inout Scratch
    ) {
        let top = layers.count - 1
        while layers.count <= level {
            layers.append(GraphLayer(limit: parameters.linkCount, vectorCount: table.count, isLowest: false))
        }
        for layer in 0...level { layers[layer].add(index) }
        guard var place = entry else {
            entry = index
            return
        }
        table.vector(Int(index)).withUnsafeBufferPointer { buffer in
            guard let vector = buffer.baseAddress else { return }
            func walk(_ layer: Int, width: Int) -> Int {
                let count = layers[layer].walk(
                    from: place, to: vector, width: width, in: table, by: walker, &scratch.found, &scratch.scores)
                if count > 0 { place = scratch.found[0] }
                return count
            }
            for layer in stride(from: top, to: level, by: -1) { _ = walk(layer, width: 1) }
            for layer in stride(from: min(level, top), through: 0, by: -1) {
                let count = walk(layer, width: parameters.constructionWidth)
                let chosen = table.withTable {
                    vector_select(
                        $0, scratch.found, scratch.scores, Int64(count), Int64(parameters.linkCount), &scratch.chosen)
                }
                let links = scratch.chosen[..<Int(chosen)]
                layers[layer].setLinks(of: index, to: links)
                for other in links { layers[layer].link(other, to: index, in: table) }
            }
        }
        if level > top { entry = index }
    }

    /// - Parameters:
    ///   - width: vectors that are kept while walking; at least `count`. More find more.
    ///   - allowed: chunks that may be found; `nil`: all. Where they are few, they are compared one by one.
    package func search(_ query: [Float], count: Int, width: Int, allowed: Set<Int64>? = nil) -> [Hit] {
        precondition(query.count == table.dimensionCount, "a vector of \(query.count) for \(table.dimensionCount)")
        guard let entry else { return [] }
        return query.withUnsafeBufferPointer { buffer -> [Hit] in
            guard let vector = buffer.baseAddress else { return [] }
            let width = min(max(width, count), table.count)
            if let allowed, allowed.count <= max(10 * width, table.count / 50) {
                return exact(vector, count: count, allowed: allowed)
            }
            let hits = walkers.withWalker { walker -> [Hit] in
                var (place, found, scores) = (entry, [UInt32](), [Float]())
                for layer in layers[1...].reversed() {
                    _ = layer.walk(from: place, to: vector, width: 1, in: table, by: walker, &found, &scores)
                    place = found[0]
                }
                let reached = layers[0].walk(
                    from: place, to: vector, width: width, in: table, by: walker, allowed: allowed.map(bits) ?? [],
                    &found, &scores)
                return (0..<min(reached, count)).map {
                    Hit(chunk: table.chunks[Int(found[$0])], score: Double(scores[$0]))
                }
            }
            return hits ?? []
        }
    }

    private func bits(_ allowed: Set<Int64>) -> [UInt64] {
        var bits = [UInt64](repeating: 0, count: (table.count + 63) / 64)
        for (index, chunk) in table.chunks.enumerated() where allowed.contains(chunk) {
            bits[index / 64] |= 1 << UInt64(index % 64)
        }
        return bits
    }

    private func exact(_ vector: UnsafePointer<Float>, count: Int, allowed: Set<Int64>) -> [Hit] {
        var best = TopHits(count: count, keepsAll: true)
        for (index, chunk) in table.chunks.enumerated() where allowed.contains(chunk) {
            best.insert(Hit(chunk: chunk, score: Double(table.product(index, vector))))
        }
        return best.sorted
    }
}
