#if SQLite
    import Foundation
    import Glibc
    import Retrieval
    import TensorCore

    /// Texts of words by Zipf's law, and vectors around centres of few true dimensions, with queries of both kinds. The same seed
    /// gives the same.
    struct SyntheticCorpus {
        struct Size: Sendable, Hashable {
            var chunkCount: Int
            var queryCount: Int
            /// Numbers of a vector; 0: words alone.
            var dimensionCount: Int
            var seed: UInt64
        }

        private static let vocabularySize = 100_000
        private static let latentSize = 32
        private static let clusterCount = 500

        let size: Size
        let queries: [String]
        /// `[queries, dimensionCount]`, normalised.
        let queryVectors: [[Float]]
        private let cumulative: [Double]
        /// `[latentSize, dimensionCount]`
        private let projection: [Float]
        private let centers: [Float]

        init(_ size: Size) {
            self.size = size
            var sum = 0.0
            let weights = (1...SyntheticCorpus.vocabularySize).map { pow(Double($0), -1.07) }
            let total = weights.reduce(0, +)
            cumulative = weights.map { weight in
                sum += weight / total
                return sum
            }
            var generator = SplitMix64(seed: size.seed ^ 0x5EED)
            projection = generator.floats(SyntheticCorpus.latentSize * size.dimensionCount)
            centers = generator.floats(SyntheticCorpus.latentSize * SyntheticCorpus.clusterCount)
            let (cumulative, projection, centers) = (self.cumulative, self.projection, self.centers)
            queries = (0..<size.queryCount).map { _ in
                SyntheticCorpus.words(2 + generator.next(below: 5), cumulative, &generator)
            }
            queryVectors = (0..<size.queryCount).map { _ in
                SyntheticCorpus.vector(size.dimensionCount, projection, centers, &generator)
            }
        }

        /// A chunk's text of 40 to 159 words, and its vector. They depend on the number alone.
        func chunk(_ number: Int) -> (text: String, vector: [Float]) {
            var generator = SplitMix64(seed: SplitMix64.mix(size.seed &+ UInt64(number)))
            return (
                SyntheticCorpus.words(40 + generator.next(below: 120), cumulative, &generator),
                SyntheticCorpus.vector(size.dimensionCount, projection, centers, &generator)
            )
        }

        private static func words(_ count: Int, _ cumulative: [Double], _ generator: inout SplitMix64) -> String {
            var text = ""
            text.reserveCapacity(8 * count)
            for _ in 0..<count {
                let draw = generator.unit()
                var (low, high) = (0, cumulative.count - 1)
                while low < high {
                    let middle = (low + high) / 2
                    if cumulative[middle] < draw { low = middle + 1 } else { high = middle }
                }
                if !text.isEmpty { text += " " }
                text += "w\(low)"
            }
            return text
        }

        private static func vector(
            _ dimensionCount: Int, _ projection: [Float], _ centers: [Float], _ generator: inout SplitMix64
        ) -> [Float] {
            guard dimensionCount > 0 else { return [] }
            let start = latentSize * generator.next(below: clusterCount)
            var vector = [Float](repeating: 0, count: dimensionCount)
            for latent in 0..<latentSize {
                let value = centers[start + latent] + generator.float(scale: 0.7)
                projection.withUnsafeBufferPointer { projection in
                    vector.withUnsafeMutableBufferPointer { vector in
                        for column in 0..<dimensionCount {
                            vector[column] += value * projection[latent * dimensionCount + column]
                        }
                    }
                }
            }
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { $0 / length }
        }
    }

    /// Gives the vectors of a corpus's queries, which are told by their numbers.
    struct SyntheticEmbedder: TextEmbedder {
        let vectors: [[Float]]
        let size: Int
        var dimensionCount: Int? { size }
        var name: String { "synthetic" }
        var fingerprint: String { "synthetic" }
        var maximumTokenCount: Int { 512 }

        func tokenCount(of text: String) throws -> Int { 1 }

        func embed(_ texts: [String], isQuery: Bool) async throws -> [[Float]] {
            texts.map { text in Int(text).map { vectors[$0] } ?? [Float](repeating: 0, count: size) }
        }
    }
#endif
