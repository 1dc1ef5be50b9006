import Glibc
internal import TensorCore

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
            precondition(linkCount > 1 && constructionWidth > 0, "\(linkCount) links, width \(constructionWidth)")
            self.linkCount = linkCount
            self.constructionWidth = constructionWidth
        }
    }

    package let table: VectorTable
    /// Links by layer, from the lowest, and by vector; a vector that is not on a layer has none there.
    package private(set) var links: [[[UInt32]]]
    package private(set) var entry: UInt32?

    init(_ table: VectorTable, links: [[[UInt32]]], entry: UInt32?) {
        self.table = table
        self.links = links
        self.entry = entry
    }

    /// Links all vectors, one after another. The same table gives the same graph.
    package init(_ table: VectorTable, parameters: Parameters = Parameters()) {
        self.init(table, links: [[[UInt32]](repeating: [], count: table.count)], entry: nil)
        var generator = SplitMix64(seed: 3)
        var visited = VisitedSet(count: table.count)
        let scale = 1 / Glibc.log(Double(parameters.linkCount))
        for index in 0..<table.count {
            let draw = max(generator.unit(), 1e-12)
            insert(UInt32(index), level: min(Int(-Glibc.log(draw) * scale), 12), parameters, &visited)
        }
    }

    private mutating func insert(
        _ index: UInt32, level: Int, _ parameters: Parameters, _ visited: inout VisitedSet
    ) {
        let top = links.count - 1
        while links.count <= level { links.append([[UInt32]](repeating: [], count: table.count)) }
        guard var place = entry else {
            entry = index
            return
        }
        Array(table.vector(Int(index))).withUnsafeBufferPointer { buffer in
            guard let vector = buffer.baseAddress else { return }
            for layer in stride(from: top, to: level, by: -1) { place = nearest(to: vector, from: place, layer: layer) }
            for layer in stride(from: min(level, top), through: 0, by: -1) {
                let found = candidates(
                    for: vector, from: [place], layer: layer, width: parameters.constructionWidth, &visited)
                place = found.first?.index ?? place
                let limit = layer == 0 ? 2 * parameters.linkCount : parameters.linkCount
                let chosen = select(found, limit: parameters.linkCount)
                links[layer][Int(index)] = chosen
                for other in chosen {
                    links[layer][Int(other)].append(index)
                    guard links[layer][Int(other)].count > limit else { continue }
                    let scored = links[layer][Int(other)].map {
                        Candidate(index: $0, score: table.product(Int($0), Int(other)))
                    }
                    links[layer][Int(other)] = select(scored.sorted(by: Candidate.isNearer), limit: limit)
                }
            }
        }
        if level > top { entry = index }
    }

    /// Chooses neighbours for a vector: first those that are nearer to it than to any chosen before, so that links go
    /// in different directions, then the nearest of the rest as far as there is room.
    private func select(_ sorted: [Candidate], limit: Int) -> [UInt32] {
        var chosen: [UInt32] = []
        var others: [UInt32] = []
        for candidate in sorted {
            if chosen.count == limit { break }
            let isNew = chosen.allSatisfy { table.product(Int(candidate.index), Int($0)) < candidate.score }
            if isNew { chosen.append(candidate.index) } else { others.append(candidate.index) }
        }
        return chosen + others.prefix(limit - chosen.count)
    }

    private func nearest(to vector: UnsafePointer<Float>, from start: UInt32, layer: Int) -> UInt32 {
        var place = start
        var score = table.product(Int(place), vector)
        var moved = true
        while moved {
            moved = false
            for neighbor in links[layer][Int(place)] {
                let other = table.product(Int(neighbor), vector)
                if other > score { (place, score, moved) = (neighbor, other, true) }
            }
        }
        return place
    }

    /// The `width` nearest vectors that a walk finds, nearest first.
    /// - Parameter isAllowed: which may be among them; the walk goes through the others all the same.
    private func candidates(
        for vector: UnsafePointer<Float>, from starts: [UInt32], layer: Int, width: Int, _ visited: inout VisitedSet,
        isAllowed: ((UInt32) -> Bool)? = nil
    ) -> [Candidate] {
        visited.clear()
        var open = CandidateHeap(isBestFirst: true)
        var found = CandidateHeap(isBestFirst: false)
        for start in starts where visited.insert(start) {
            let candidate = Candidate(index: start, score: table.product(Int(start), vector))
            open.push(candidate)
            if isAllowed?(start) ?? true { found.push(candidate) }
        }
        while let current = open.pop() {
            if found.count >= width, let worst = found.first, current.score < worst.score { break }
            for neighbor in links[layer][Int(current.index)] where visited.insert(neighbor) {
                let score = table.product(Int(neighbor), vector)
                if found.count >= width, let worst = found.first, score <= worst.score { continue }
                let candidate = Candidate(index: neighbor, score: score)
                open.push(candidate)
                guard isAllowed?(neighbor) ?? true else { continue }
                found.push(candidate)
                if found.count > width { _ = found.pop() }
            }
        }
        return found.elements.sorted(by: Candidate.isNearer)
    }

    /// - Parameters:
    ///   - width: vectors that are kept while walking; at least `count`. More find more.
    ///   - allowed: chunks that may be found; `nil`: all. Where they are few, they are compared one by one.
    package func search(_ query: [Float], count: Int, width: Int, allowed: Set<Int64>? = nil) -> [Hit] {
        precondition(query.count == table.dimensionCount, "a vector of \(query.count) for \(table.dimensionCount)")
        guard let entry else { return [] }
        return query.withUnsafeBufferPointer { buffer -> [Hit] in
            guard let vector = buffer.baseAddress else { return [] }
            let width = max(width, count)
            if let allowed, allowed.count <= max(10 * width, table.count / 50) {
                return exact(vector, count: count, allowed: allowed)
            }
            var place = entry
            for layer in stride(from: links.count - 1, to: 0, by: -1) {
                place = nearest(to: vector, from: place, layer: layer)
            }
            var visited = VisitedSet(count: table.count)
            let isAllowed = allowed.map { allowed in { (index: UInt32) in allowed.contains(table.chunks[Int(index)]) } }
            return candidates(for: vector, from: [place], layer: 0, width: width, &visited, isAllowed: isAllowed)
                .prefix(count).map { Hit(chunk: table.chunks[Int($0.index)], score: Double($0.score)) }
        }
    }

    private func exact(_ vector: UnsafePointer<Float>, count: Int, allowed: Set<Int64>) -> [Hit] {
        var best = TopHits(count: count, keepsAll: true)
        for (index, chunk) in table.chunks.enumerated() where allowed.contains(chunk) {
            best.insert(Hit(chunk: chunk, score: Double(table.product(index, vector))))
        }
        return best.sorted
    }
}
