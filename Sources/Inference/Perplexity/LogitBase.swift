internal import Foundation
internal import ModelIO
internal import TensorCore

/// The probabilities that a model gives to the tokens of a text, in a file as llama.cpp's `llama-perplexity` writes it
/// with `--kl-divergence-base`: `_logits_`, then int32 tokens of a window, of the vocabulary and windows, the tokens of
/// all windows as int32, and for each predicted place a scale, a least log-probability and a uint16 for each token.
///
/// Legend: `C` tokens of a window, `V` vocabulary, `W` windows.
enum LogitBase {
    static let magic = Array("_logits_".utf8)
    static let headByteCount = 20
    /// Numbers before those of the tokens: two float32.
    static let rowHeadCount = 4
    /// Probabilities are kept down to exp(-16) of the greatest one's.
    static let range: Float = 16

    /// uint16 numbers of a place.
    static func rowLength(vocabularySize: Int) -> Int { 2 * ((vocabularySize + 1) / 2) + rowHeadCount }

    /// Predicted places of a window: those of the second half.
    static func rowCount(windowTokenCount: Int) -> Int { windowTokenCount - 1 - windowTokenCount / 2 }

    static func head(windowTokenCount: Int, vocabularySize: Int, windowCount: Int, tokens: some Sequence<Int>)
        -> [UInt8]
    {
        var bytes = magic
        for number in [windowTokenCount, vocabularySize, windowCount] { append(Int32(number), to: &bytes) }
        for token in tokens { append(Int32(token), to: &bytes) }
        return bytes
    }

    private static func append(_ number: Int32, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// One place's numbers.
    static func encode(_ logits: UnsafeBufferPointer<Float>, to row: UnsafeMutableBufferPointer<UInt16>) {
        let greatest = logits.max() ?? 0
        let least = max(logits.min() ?? 0, greatest - range)
        let sum = logits.reduce(0) { $0 + Double(expf($1 - greatest)) }
        let scale = (greatest - least) / 65535
        let lowest = least - greatest - Float(log(sum))
        for (index, value) in [scale.bitPattern, lowest.bitPattern].enumerated() {
            row[2 * index] = UInt16(truncatingIfNeeded: value)
            row[2 * index + 1] = UInt16(truncatingIfNeeded: value >> 16)
        }
        row[row.count - 1] = 0
        guard scale > 0 else {
            for index in logits.indices { row[rowHeadCount + index] = 0 }
            return
        }
        let inverse = 1 / scale
        for (index, logit) in logits.enumerated() {
            let value = logit > least ? (inverse * (logit - least)).rounded(.toNearestOrEven) : 0
            row[rowHeadCount + index] = UInt16(min(max(value, 0), 65535))
        }
    }
}

/// A file of such probabilities, mapped.
public final class LogitBaseFile {
    let windowTokenCount: Int
    let vocabularySize: Int
    let windowCount: Int
    private let bytes: HostBytes
    private let path: String

    /// - Throws: `LoadError` for a file that is none or is cut.
    public init(path: String) throws {
        let file = try MappedFile(path: path)
        self.path = path
        bytes = file.bytes(0..<file.byteCount)
        guard bytes.byteCount >= LogitBase.headByteCount, bytes.pointer.prefix(8).elementsEqual(LogitBase.magic) else {
            throw LoadError.invalidValue(
                path: path, key: "magic", expected: "'_logits_', as --kl-divergence-base writes it", found: "another")
        }
        let numbers = [8, 12, 16].map { [bytes] offset in
            Int(Int32(littleEndian: bytes.pointer.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }
        (windowTokenCount, vocabularySize, windowCount) = (numbers[0], numbers[1], numbers[2])
        guard windowTokenCount >= 4, vocabularySize >= 1, windowCount >= 1 else {
            throw LoadError.invalidValue(
                path: path, key: "header", expected: "tokens of a window, of the vocabulary, and windows above 0",
                found: numbers.map(String.init).joined(separator: ", "))
        }
        // Numbers of 31 bits: the products below fit 64 but for the last one.
        let rows = LogitBase.rowCount(windowTokenCount: windowTokenCount) * 2
        let (rowBytes, overflow) = rows.multipliedReportingOverflow(
            by: LogitBase.rowLength(vocabularySize: vocabularySize))
        let (windowBytes, carry) = rowBytes.addingReportingOverflow(4 * windowTokenCount)
        let (allBytes, excess) = windowBytes.multipliedReportingOverflow(by: windowCount)
        guard !overflow, !carry, !excess, bytes.byteCount - LogitBase.headByteCount >= allBytes else {
            throw LoadError.invalidValue(
                path: path, key: "header", expected: "as many bytes as its numbers name", found: "a file that is cut")
        }
    }

    /// Tokens of a window, which the context must be.
    public var contextLength: Int { windowTokenCount }

    /// The tokens of all windows.
    /// - Throws: `InferenceError.tokenOutOfRange`.
    public func tokens() throws -> [Int] {
        try (0..<windowCount * windowTokenCount).map { index in
            let offset = LogitBase.headByteCount + 4 * index
            let id = Int(Int32(littleEndian: bytes.pointer.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
            guard (0..<vocabularySize).contains(id) else {
                throw InferenceError.tokenOutOfRange(id: id, vocabularySize: vocabularySize)
            }
            return id
        }
    }

    /// The numbers of a predicted place, counted over all windows, as they lie in the file.
    func row(_ place: Int) -> UnsafeRawBufferPointer {
        let byteCount = 2 * LogitBase.rowLength(vocabularySize: vocabularySize)
        let start = LogitBase.headByteCount + 4 * windowCount * windowTokenCount + place * byteCount
        return UnsafeRawBufferPointer(rebasing: bytes.pointer[start..<start + byteCount])
    }
}
