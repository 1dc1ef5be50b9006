import ArgumentParser
import CommandSupport
import Images
import Inference
import ModelIO

/// Files of images that a command line names: files, and folders of them.
struct ImageFiles {
    let paths: [String]

    /// The longest file that is read.
    private static let maximumByteCount = 1 << 30
    private static let endings = [".png", ".jpg", ".jpeg"]
    /// Images whose answers are computed together.
    static let batchCount = 32

    /// - Throws: `InferenceError.noImages` for a folder without any.
    init(_ arguments: [String]) throws {
        paths = try arguments.flatMap { argument in
            guard WholeFile.isFolder(argument) else { return [argument] }
            let files = Self.files(in: argument)
            guard !files.isEmpty else { throw InferenceError.noImages(path: argument) }
            return files
        }
    }

    /// One file or folder a line; empty lines are left out.
    /// - Throws: `InputError`, `InferenceError.noImages`.
    init(lines path: String) throws {
        var lines = try TextLines(path: path)
        var arguments: [String] = []
        while true {
            let next = try lines.next(1024)
            guard !next.isEmpty else { break }
            arguments += next.filter { !$0.isEmpty }
        }
        guard !arguments.isEmpty else {
            throw InputError.unreadable(name: path, reason: "it names no images; write a file on each line")
        }
        try self.init(arguments)
    }

    /// The files of `--image`, or where it stands without a value those that `--lines` names.
    /// - Throws: as the others.
    init(_ arguments: [String], lines: String?) throws {
        if let lines { try self.init(lines: lines) } else { try self.init(arguments) }
    }

    /// - Parameter arguments: of `--image`; an empty one stands for none.
    /// - Throws: `ValidationError` where files are named twice, or not at all.
    static func check(_ arguments: [String], lines: String?) throws {
        let named = arguments.filter { !$0.isEmpty }
        if named.isEmpty, lines == nil {
            throw ValidationError("--image names no file; name files or folders, or a list of them with --lines")
        }
        if !named.isEmpty, lines != nil {
            throw ValidationError("give images with --image or with --lines, not both")
        }
    }

    /// The images of a folder, by name.
    static func files(in folder: String) -> [String] {
        WholeFile.names(in: folder).filter { name in endings.contains { name.lowercased().hasSuffix($0) } }
            .map { join(folder, $0) }.filter { !WholeFile.isFolder($0) }
    }

    static func join(_ folder: String, _ name: String) -> String {
        folder + (folder.hasSuffix("/") ? "" : "/") + name
    }

    /// - Throws: `LoadError`, `ImageError`.
    static func read(_ path: String) throws -> PixelImage {
        try PixelImage(decoding: WholeFile.read(path, maximum: maximumByteCount), path: path)
    }

    /// Calls `body` batch by batch with files and what `run` answers for their images. Shows progress.
    func forEachBatch<Answer>(
        _ run: ([PixelImage]) throws -> [Answer], _ body: (ArraySlice<String>, [Answer]) throws -> Void
    ) throws {
        var progress = ProgressLine("infer")
        defer { progress.clear() }
        for start in stride(from: 0, to: paths.count, by: Self.batchCount) {
            let part = paths[start..<min(start + Self.batchCount, paths.count)]
            try body(part, try run(part.map(Self.read)))
            if paths.count > Self.batchCount {
                progress.update(Double(part.endIndex) / Double(paths.count), "\(part.endIndex) images")
            }
        }
    }
}
