import Images
import Inference
import ModelIO

/// Files of images that a command line names: files, and folders of them.
struct ImageFiles {
    let paths: [String]

    /// The longest file that is read.
    private static let maximumByteCount = 1 << 30
    private static let endings = [".png", ".jpg", ".jpeg"]

    /// - Throws: `InferenceError.noImages` for a folder without any.
    init(_ arguments: [String]) throws {
        paths = try arguments.flatMap { argument in
            guard WholeFile.isFolder(argument) else { return [argument] }
            let names = WholeFile.names(in: argument).filter { name in
                Self.endings.contains { name.lowercased().hasSuffix($0) }
            }
            guard !names.isEmpty else { throw InferenceError.noImages(path: argument) }
            return names.map { argument + (argument.hasSuffix("/") ? "" : "/") + $0 }
        }
    }

    /// - Throws: `LoadError`, `ImageError`.
    static func read(_ path: String) throws -> PixelImage {
        try PixelImage(decoding: WholeFile.read(path, maximum: maximumByteCount), path: path)
    }
}
