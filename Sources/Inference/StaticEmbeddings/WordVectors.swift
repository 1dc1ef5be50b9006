internal import Glibc
internal import ModelIO
internal import TensorCore

/// Static embeddings: one vector a word, whatever stands around it. (Mikolov et al., 2013, "word2vec"; Pennington et al.,
/// 2014, "GloVe")
///
/// Reads word2vec's text and binary format, which fastText's `.vec` files share, and GloVe's text. Binary vectors are used
/// where the file is mapped; of a text each number becomes four bytes.
///
///     let vectors = try WordVectors(path: "glove.6B.100d.txt")
///     vectors.neighbours(of: "frog", count: 5)
///     vectors.analogy("man", "king", "woman", count: 1)     // queen
public struct WordVectors: Sendable {
    /// Most numbers of a vector.
    static let maximumDimensions = 1 << 16
    /// Most bytes of a word.
    static let maximumWordByteCount = 1 << 12

    public let name: String
    /// Numbers of a vector.
    public let dimensions: Int
    /// In the order of the file; of a word that comes twice the first vector counts.
    public let words: [String]
    /// Tells other files under the same name apart.
    public let fingerprint: UInt64
    private let places: [String: Int32]
    private let memory: HostBytes
    /// Where each word's vector begins in `memory`.
    private let offsets: [Int]

    /// Maps and reads a file. Blocks.
    /// - Throws: `LoadError` that names the file and the line or word.
    public init(path: String) throws {
        let file = try MappedFile(path: path)
        let content = try WordVectorReader(file).read()
        name = path
        dimensions = content.dimensions
        words = content.words
        memory = content.memory
        offsets = content.offsets
        var places: [String: Int32] = [:]
        places.reserveCapacity(words.count)
        for (index, word) in words.enumerated() where places[word] == nil { places[word] = Int32(clamping: index) }
        self.places = places
        fingerprint = WordVectors.fingerprint(file.pointer)
    }

    /// Whether a file is one of word vectors: a text by its name, everything else by its beginning.
    public static func isFile(_ path: String) -> Bool {
        let ending = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
        var status = stat()
        guard !["gguf", "safetensors", "json"].contains(ending), stat(path, &status) == 0,
            status.st_mode & S_IFMT == S_IFREG
        else { return false }
        if ["txt", "vec", "glove"].contains(ending) { return true }
        // Models of other kinds end with .bin too.
        return (try? MappedFile(path: path)).map { WordVectorReader($0).looksRight } ?? false
    }

    /// The vector of a word as it is spelled; `nil` where there is none.
    public subscript(word: String) -> [Float]? {
        places[word].map { vector(Int($0)) }
    }

    private func vector(_ index: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: dimensions) { buffer, count in
            for column in 0..<dimensions { buffer[column] = number(index, column) }
            count = dimensions
        }
    }

    private func number(_ index: Int, _ column: Int) -> Float {
        Float(
            bitPattern: UInt32(
                littleEndian: memory.pointer.loadUnaligned(
                    fromByteOffset: offsets[index] + 4 * column, as: UInt32.self)))
    }

    /// The words of a text, runs of letters and digits with apostrophes, hyphens and low lines inside, that have vectors: as
    /// they are spelled, else in lower case, else their parts.
    public func words(in text: String) -> [String] {
        var found: [String] = []
        for run in text.split(whereSeparator: { !WordVectors.isInside($0) }) {
            let word = String(WordVectors.trimmed(run))
            if let known = known(word) {
                found.append(known)
            } else {
                found += word.split { !$0.isLetter && !$0.isNumber }.compactMap { known(String($0)) }
            }
        }
        return found
    }

    private func known(_ word: String) -> String? {
        if places[word] != nil { return word }
        let lowered = word.lowercased()
        return places[lowered] == nil ? nil : lowered
    }

    private static func isInside(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || "'’-_".contains(character)
    }

    private static func trimmed(_ run: Substring) -> Substring {
        var run = run
        while let first = run.first, !first.isLetter, !first.isNumber { run.removeFirst() }
        while let last = run.last, !last.isLetter, !last.isNumber { run.removeLast() }
        return run
    }

    /// The mean of the vectors of a text's words; zeros where no word has one.
    public func embed(_ text: String) -> [Float] {
        var sum = [Double](repeating: 0, count: dimensions)
        let found = words(in: text)
        for word in found {
            guard let place = places[word] else { continue }
            for column in 0..<dimensions { sum[column] += Double(number(Int(place), column)) }
        }
        return sum.map { Float($0 / Double(max(found.count, 1))) }
    }

    /// The words whose vectors have the largest cosines with a word's, best first, without the word itself.
    /// - Throws: `InferenceError.invalidParameter` for a word that has no vector.
    public func neighbours(of word: String, count: Int) throws -> [WordScore] {
        let place = try place(of: word, option: "--neighbours")
        return nearest(to: unit(place), count: count, without: [place])
    }

    /// "`a` is to `b` as `c` is to …": the words nearest to `b − a + c` of their vectors of length 1, without the three.
    /// - Throws: `InferenceError.invalidParameter` for a word that has no vector.
    public func analogy(_ a: String, _ b: String, _ c: String, count: Int) throws -> [WordScore] {
        let places = try [a, b, c].map { try place(of: $0, option: "--analogy") }
        let vectors = places.map { unit($0) }
        let target = (0..<dimensions).map { vectors[1][$0] - vectors[0][$0] + vectors[2][$0] }
        return nearest(to: VectorMath.normalized(target), count: count, without: Set(places))
    }

    private func place(of word: String, option: String) throws -> Int {
        if let place = places[word] ?? places[word.lowercased()] { return Int(place) }
        throw InferenceError.invalidParameter(
            name: option, value: String(word.prefix(80)), expected: "a word that \(name) has a vector of")
    }

    private func unit(_ index: Int) -> [Double] { VectorMath.normalized(vector(index).map(Double.init)) }

    private func nearest(to target: [Double], count: Int, without excluded: Set<Int>) -> [WordScore] {
        guard count > 0 else { return [] }
        var best: [(index: Int, score: Double)] = []
        target.withUnsafeBufferPointer { target in
            for index in words.indices where !excluded.contains(index) {
                var (dot, square) = (0.0, 0.0)
                for column in 0..<dimensions {
                    let value = Double(number(index, column))
                    dot += value * target[column]
                    square += value * value
                }
                let score = square > 0 ? dot / square.squareRoot() : 0
                guard best.count < count || score > best[best.count - 1].score else { continue }
                // A word that comes twice is one.
                guard places[words[index]] == Int32(clamping: index) else { continue }
                var place = best.count
                while place > 0, best[place - 1].score < score { place -= 1 }
                best.insert((index, score), at: place)
                if best.count > count { best.removeLast() }
            }
        }
        return best.map { WordScore(word: words[$0.index], score: $0.score) }
    }

    /// FNV-1a over the length, the beginning and the end.
    private static func fingerprint(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: bytes.count >> shift)) }
        for byte in bytes.prefix(1 << 16) { add(byte) }
        for byte in bytes.suffix(1 << 16) { add(byte) }
        return hash
    }
}

/// A word and how near it is.
public struct WordScore: Sendable, Hashable {
    public var word: String
    /// A cosine.
    public var score: Double
}
