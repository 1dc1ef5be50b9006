import CPUBackend
import TestSupport
import Testing

import Retrieval

@Suite("Approximate search")
struct ApproximateTests {
    /// Normalised vectors around some centres.
    private func table(_ count: Int, dimensionCount: Int = 20, clusters: Int = 12, seed: UInt64 = 1) -> VectorTable {
        var generator = SplitMix64(seed: seed)
        func number() -> Float { Float(generator.next(below: 2001)) / 1000 - 1 }
        let centers = (0..<clusters).map { _ in (0..<dimensionCount).map { _ in number() } }
        var numbers: [Float] = []
        for index in 0..<count {
            let vector = centers[index % clusters].map { $0 + 0.35 * number() }
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            numbers += vector.map { $0 / length }
        }
        return VectorTable(
            chunks: (0..<count).map { Int64(3 * $0 + 5) }, numbers: numbers, dimensionCount: dimensionCount)
    }

    private func exact(_ table: VectorTable, _ query: [Float], _ count: Int, _ allowed: Set<Int64>? = nil) -> [Int64] {
        var best = TopHits(count: count, keepsAll: true)
        for (index, chunk) in table.chunks.enumerated() where allowed?.contains(chunk) ?? true {
            let product = zip(table.vector(index), query).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            best.insert(Hit(chunk: chunk, score: Double(product)))
        }
        return best.sorted.map(\.chunk)
    }

    private func recall(_ table: VectorTable, _ search: ([Float], Set<Int64>?) -> [Hit], allowed: Set<Int64>?) -> Double
    {
        let queries = self.table(40, seed: 1)
        var found = 0
        for index in 0..<40 {
            let query = Array(queries.vector(index))
            let hits = search(query, allowed)
            #expect(hits.count == 10 && Set(hits.map(\.chunk)).count == 10)
            #expect(zip(hits, hits.dropFirst()).allSatisfy { $0.score >= $1.score })
            #expect(allowed.map { Set(hits.map(\.chunk)).isSubset(of: $0) } ?? true)
            found += Set(hits.map(\.chunk)).intersection(exact(table, query, 10, allowed)).count
        }
        return Double(found) / 400
    }

    @Test(
        "Products are those of the FP16 numbers, whatever the size",
        arguments: [1, 7, 15, 16, 17, 31, 33, 64, 100, 387])
    func products(size: Int) {
        var generator = SplitMix64(seed: UInt64(size))
        let numbers = (0..<5 * size).map { _ in
            Float(generator.next(below: 4001) - 2000) * [1e-7, 1e-3, 1, 20][generator.next(below: 4)]
        }
        let table = VectorTable(chunks: [1, 2, 3, 4, 5], numbers: numbers, dimensionCount: size)
        let rounded = numbers.map { Double(Float16($0)) }
        for row in 0..<5 {
            let own = rounded[row * size..<(row + 1) * size]
            #expect(table.vector(row).map(Double.init) == Array(own))
            for other in 0..<5 {
                let expected = zip(own, rounded[other * size..<(other + 1) * size]).reduce(0.0) { $0 + $1.0 * $1.1 }
                let scale = zip(own, rounded[other * size..<(other + 1) * size]).reduce(1e-9) { $0 + abs($1.0 * $1.1) }
                #expect(abs(Double(table.product(row, other)) - expected) < 1e-5 * scale)
                let product = table.vector(other).withUnsafeBufferPointer { buffer in
                    buffer.baseAddress.map { table.product(row, $0) } ?? .nan
                }
                #expect(abs(Double(product) - expected) < 1e-5 * scale)
            }
        }
    }

    @Test("k-means finds clusters that stand apart, and every vector lies with its nearest centre")
    func kMeans() throws {
        let table = table(600, clusters: 6)
        let means = try KMeans(table, count: 6, restarts: 3, on: CPUBackend())
        for cluster in 0..<6 {
            let places = stride(from: cluster, to: 600, by: 6).map { means.assignment[$0] }
            #expect(Set(places).count == 1)
        }
        #expect(Set(means.assignment).count == 6)
        var inertia = 0.0
        for index in 0..<600 {
            let distances = means.centers.map { center in
                zip(center, table.vector(index)).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            }
            #expect(distances[means.assignment[index]] <= (distances.min() ?? 0) + 1e-5)
            inertia += distances[means.assignment[index]]
        }
        #expect(abs(inertia - means.inertia) < 1e-3 * inertia)
        let all = try KMeans(self.table(5), count: 5, on: CPUBackend())
        #expect(all.inertia < 1e-5)
    }

    @Test("An inverted file finds everything in all lists, and most in a few; filters hold")
    func invertedFile() throws {
        let table = table(2000)
        let index = try IVFIndex(table, on: CPUBackend())
        #expect(recall(table, { index.search($0, count: 10, probeCount: 10_000, allowed: $1) }, allowed: nil) == 1)
        #expect(recall(table, { index.search($0, count: 10, probeCount: 12, allowed: $1) }, allowed: nil) > 0.8)
        let some = Set(table.chunks.enumerated().filter { $0.offset % 7 == 0 }.map(\.element))
        #expect(recall(table, { index.search($0, count: 10, probeCount: 10_000, allowed: $1) }, allowed: some) == 1)
    }

    @Test("A graph finds nearly everything; filters hold, also where little is left")
    func graph() {
        let table = table(2000)
        let index = HNSWIndex(table)
        #expect(recall(table, { index.search($0, count: 10, width: 100, allowed: $1) }, allowed: nil) > 0.97)
        #expect(
            recall(table, { index.search($0, count: 10, width: 400, allowed: $1) }, allowed: nil)
                >= recall(table, { index.search($0, count: 10, width: 10, allowed: $1) }, allowed: nil))
        let half = Set(table.chunks.enumerated().filter { $0.offset % 2 == 0 }.map(\.element))
        #expect(recall(table, { index.search($0, count: 10, width: 60, allowed: $1) }, allowed: half) > 0.9)
        let few = Set(table.chunks.prefix(30))
        #expect(recall(table, { index.search($0, count: 10, width: 60, allowed: $1) }, allowed: few) == 1)
        #expect(HNSWIndex(self.table(1)).search(Array(table.vector(0)), count: 5, width: 5).count == 1)
        #expect(HNSWIndex(self.table(0)).search(Array(table.vector(0)), count: 5, width: 5).isEmpty)
    }

    @Test("An index is kept in the collection, serves searches, and is refused once the documents have changed")
    func stored() async throws {
        let scratch = try Scratch()
        func write(_ count: Int) throws {
            try scratch.write(
                "d.jsonl",
                (0..<count).map { #"{"id":"\#($0)","text":"w\#($0) w\#($0 % 9) w\#($0 % 31)"}"# + "\n" }.joined())
        }
        try write(400)
        let lines = [scratch.path + "/d.jsonl"]
        try await scratch.index(jsonLines: lines, embedder: WordEmbedder())
        let collection = try DocumentCollection(path: scratch.collection)
        #expect(try collection.approximateKinds().isEmpty)
        for kind in ApproximateKind.allCases {
            #expect(try collection.buildApproximateIndex(kind) { try CPUBackend() })
            #expect(try !collection.buildApproximateIndex(kind) { try CPUBackend() })
        }
        func search(_ way: VectorSearch) async throws -> [Hit] {
            let searcher = try Searcher(
                CollectionReader(path: scratch.collection), embedder: WordEmbedder(), on: CPUBackend())
            return try await searcher.hits("w7 w3", SearchOptions(mode: .dense, count: 5, vectorSearch: way))
        }
        /// Sums in another order differ in their last bits, which may change the order of equally good ones.
        func isSame(_ hits: [Hit], _ exact: [Hit]) -> Bool {
            hits.count == exact.count && zip(hits, exact).allSatisfy { abs($0.score - $1.score) < 1e-6 }
        }
        let exact = try await search(.exact)
        #expect(isSame(try await search(.ivf(probeCount: 1000)), exact))
        #expect(isSame(try await search(.hnsw(width: 200)), exact))
        try write(410)
        try await scratch.index(jsonLines: lines, embedder: WordEmbedder())
        await #expect(throws: RetrievalError.noApproximateIndex(path: scratch.collection, kind: "hnsw")) {
            try await search(.hnsw(width: 10))
        }
        #expect(try collection.buildApproximateIndex(.hnsw) { try CPUBackend() })
        #expect(isSame(try await search(.hnsw(width: 200)), try await search(.exact)))
    }

    @Test func names() {
        #expect(VectorSearch("exact") == .exact)
        #expect(VectorSearch("ivf:3") == .ivf(probeCount: 3))
        #expect(VectorSearch("hnsw") == .hnsw(width: 64))
        for wrong in ["", "exact:1", "ivf:", "ivf:0", "hnsw:x", "hnsw:1:2", "lsh"] {
            #expect(VectorSearch(wrong) == nil)
        }
    }
}
