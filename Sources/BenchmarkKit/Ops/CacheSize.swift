import Foundation

/// How much memory operands must rotate over so that no cache holds them.
package enum CacheSize {
    /// Bytes of the largest cache of the processor; `nil` where the system does not tell.
    package static func lastLevelByteCount() -> Int? {
        let folder = "/sys/devices/system/cpu/cpu0/cache"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasPrefix("index") }
            .compactMap { try? String(contentsOfFile: "\(folder)/\($0)/size", encoding: .utf8) }
            .compactMap(byteCount).max()
    }

    /// Reads `32768K` or `32M`.
    package static func byteCount(_ text: String) -> Int? {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let unit = ["K": 1024, "M": 1 << 20, "G": 1 << 30][text.suffix(1)]
        guard let number = Int(unit == nil ? text[...] : text.dropLast()), number >= 0, number < 1 << 20 else {
            return nil
        }
        return number * (unit ?? 1)
    }

    /// Four times the largest cache, and at least 128 MiB.
    package static var rotationByteCount: Int { max(4 * (lastLevelByteCount() ?? 0), 128 << 20) }
}
