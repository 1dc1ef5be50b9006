internal import Foundation
internal import TensorCore

/// Compiled programs on disk, one file each.
///
/// Files are written beside their place and renamed, so any number of processes may write and read at once. A file that
/// is cut off or damaged fails its checksum and counts as absent. A folder that cannot be written gives one warning and
/// no error. A full disk is an error, since nothing else on it will work either.
package final class ProgramCache {
    private let directory: String
    private let warn: @Sendable (String) -> Void
    private var hasWarned = false

    private static let magic: UInt64 = 0x31_4c_43_52_46_4e_49_00
    private static let headerByteCount = 32
    /// Larger files are not read: no program is that large, so they are not ours.
    private static let maxByteCount = 256 << 20

    package init(directory: String, warn: @escaping @Sendable (String) -> Void) {
        self.directory = directory
        self.warn = warn
    }

    /// The key of a binary: everything that it depends on.
    package struct Key {
        /// The program's name, only for people who look into the folder.
        package var program: String
        /// Platform, device, driver, compiler options and source text.
        package var parts: [String]

        package init(program: String, parts: [String]) {
            self.program = program
            self.parts = parts
        }

        /// FNV-1a over the parts, with the length of each before it.
        package var hash: UInt64 {
            var hash = FNV1a()
            for part in parts {
                hash.add(UInt64(part.utf8.count))
                for byte in part.utf8 { hash.add(byte) }
            }
            return hash.value
        }

        package var fileName: String {
            let hex = String(hash, radix: 16)
            return program + "-" + String(repeating: "0", count: 16 - hex.count) + hex + ".clbin"
        }
    }

    /// The stored binary; `nil` where there is none or it is incomplete.
    package func load(_ key: Key) -> [UInt8]? {
        let path = path(of: key)
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
            let size = attributes[.size] as? Int, size > Self.headerByteCount, size <= Self.maxByteCount,
            let file = FileManager.default.contents(atPath: path), file.count > Self.headerByteCount
        else { return nil }
        let header = file.withUnsafeBytes { bytes in
            (0..<4).map { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)) }
        }
        let binary = [UInt8](file.dropFirst(Self.headerByteCount))
        guard header == Self.header(of: binary, key: key) else { return nil }
        return binary
    }

    /// Stores a binary, replacing what is there.
    /// - Throws: `BackendError.kernelCacheFull`.
    package func store(_ binary: [UInt8], for key: Key) throws {
        var file = Data()
        for word in Self.header(of: binary, key: key) {
            withUnsafeBytes(of: word.littleEndian) { file.append(contentsOf: $0) }
        }
        file.append(contentsOf: binary)
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try file.write(to: URL(fileURLWithPath: path(of: key)), options: .atomic)
        } catch {
            guard (error as? CocoaError)?.code != .fileWriteOutOfSpace else {
                throw BackendError.kernelCacheFull(directory: directory)
            }
            guard !hasWarned else { return }
            hasWarned = true
            warn("compiled kernels cannot be kept in \(directory); check that it is writable")
        }
    }

    /// Removes a binary that the driver rejects.
    package func remove(_ key: Key) { try? FileManager.default.removeItem(atPath: path(of: key)) }

    private func path(of key: Key) -> String { directory + "/" + key.fileName }

    private static func header(of binary: [UInt8], key: Key) -> [UInt64] {
        var checksum = FNV1a()
        for byte in binary { checksum.add(byte) }
        return [magic, key.hash, UInt64(binary.count), checksum.value]
    }
}

/// The 64-bit FNV-1a hash (Fowler, Noll and Vo), equal in every process.
private struct FNV1a {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }

    mutating func add(_ word: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { add(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}
