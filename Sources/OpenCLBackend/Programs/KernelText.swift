internal import Foundation
internal import KernelSources
internal import TensorCore

/// The text of kernel files: those in the binary, or those of a folder.
package enum KernelText {
    /// Files that every program starts with.
    static let commonSources = ["common/types.cl", "common/math.cl", "common/rope.cl"]

    /// The names of all embedded files, such as `norm/rms_norm.cl`.
    package static var embeddedNames: [String] {
        (0..<kernel_source_count()).map { String(cString: kernel_source_at($0).name) }
    }

    /// - Parameter directory: a folder laid out as Kernels/; `nil`: the embedded text.
    /// - Throws: `BackendError.kernelSourceMissing`.
    package static func text(named name: String, directory: String?) throws -> String {
        if let directory {
            guard let data = FileManager.default.contents(atPath: directory + "/" + name) else {
                throw BackendError.kernelSourceMissing(name: name, directory: directory)
            }
            return String(decoding: data, as: UTF8.self)
        }
        for index in 0..<kernel_source_count() {
            let source = kernel_source_at(index)
            guard String(cString: source.name) == name else { continue }
            let bytes = UnsafeRawBufferPointer(start: source.text, count: source.length)
            return String(decoding: bytes, as: UTF8.self)
        }
        throw BackendError.kernelSourceMissing(name: name, directory: nil)
    }

    /// A program's whole text: the common files, then its own, each under a `#line` that compilers' messages follow.
    static func program(_ descriptor: ProgramDescriptor, directory: String?) throws -> String {
        try (commonSources + descriptor.sources).map { try file($0, directory: directory) }.joined()
    }

    /// A file's text with its `#line`.
    static func file(_ name: String, directory: String?) throws -> String {
        "#line 1 \"\(name)\"\n" + (try text(named: name, directory: directory)) + "\n"
    }
}
