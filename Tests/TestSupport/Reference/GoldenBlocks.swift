internal import Foundation
internal import JSONCore
public import TensorCore

/// Blocks of one number format that other software wrote, and the values that it reads from them:
/// `Tests/Fixtures/formats`, made by `Tools/make_format_fixtures.py`.
public struct GoldenBlocks: Sendable {
    public let format: NumberFormat
    /// `ggml_type` and the sizes of a block as `gguf` knows them.
    public let ggufType: Int
    public let blockSize: Int
    public let blockByteCount: Int
    /// Whole blocks, one behind the other.
    public let bytes: [UInt8]
    public let values: [Float]

    public var blockCount: Int { values.count / blockSize }

    /// - Throws: where there is no such file, or it does not hold what it should.
    public init(_ format: NumberFormat) throws {
        let file = ReferenceMaterial.fixtures.appendingPathComponent("formats/\(format.rawValue).json")
        let root = try JSONDocument(parsing: Array(try Data(contentsOf: file)), source: file.path).root
        self.format = format
        ggufType = try root.requireInt("gguf_type")
        blockSize = try root.requireInt("block_size")
        blockByteCount = try root.requireInt("block_bytes")
        bytes = GoldenBlocks.bytes(hexadecimal: try root.requireString("bytes"))
        values = GoldenBlocks.bytes(hexadecimal: try root.requireString("values")).withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
            }
        }
        precondition(bytes.count == blockCount * blockByteCount, "\(file.path) holds no whole blocks")
    }

    /// The values of blocks that are all golden ones.
    static func decode(_ bytes: [UInt8], _ format: NumberFormat) -> [Double] {
        guard let golden = try? GoldenBlocks(format) else {
            preconditionFailure("\(format) has no golden blocks; see Tools/make_format_fixtures.py")
        }
        var known: [ArraySlice<UInt8>: ArraySlice<Float>] = [:]
        for block in 0..<golden.blockCount {
            let place = block * golden.blockByteCount
            known[golden.bytes[place..<place + golden.blockByteCount]] =
                golden.values[block * golden.blockSize..<(block + 1) * golden.blockSize]
        }
        return stride(from: 0, to: bytes.count, by: golden.blockByteCount).flatMap { place -> [Double] in
            guard let values = known[bytes[place..<place + golden.blockByteCount]] else {
                preconditionFailure("a block of \(format) that is no golden one")
            }
            return values.map(Double.init)
        }
    }

    private static func bytes(hexadecimal text: String) -> [UInt8] {
        let digits = Array(text.utf8).map { $0 <= 57 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
