import Glibc

/// A file that may be a document, with what tells whether it has changed.
struct FileEntry {
    var path: String
    var byteCount: Int
    var time: Double
}

/// The regular files below a path, in the order of their names. Hidden files and folders are left out, links to folders
/// not followed.
enum FileWalk {
    private static let depthLimit = 64

    /// - Throws: ``RetrievalError/unreadable(path:reason:)`` where the path itself cannot be read.
    /// - Parameter onSkip: called with each folder that cannot be read, and why; what was indexed from below it stays.
    static func files(
        below root: String, onSkip: (_ folder: String, _ reason: String) -> Void = { _, _ in }
    ) throws -> [FileEntry] {
        guard let entry = try entry(root, followsLinks: true) else {
            throw RetrievalError.unreadable(path: root, reason: "neither a file nor a folder")
        }
        switch entry {
        case .file(let file): return [file]
        case .folder:
            var found: [FileEntry] = []
            try walk(root, depth: 0, into: &found, onSkip)
            return found
        }
    }

    private enum Kind {
        case file(FileEntry)
        case folder
    }

    private static func entry(_ path: String, followsLinks: Bool) throws -> Kind? {
        var status = stat()
        guard (followsLinks ? stat(path, &status) : lstat(path, &status)) == 0 else {
            throw RetrievalError.unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .folder
        case S_IFREG:
            let time = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
            return .file(FileEntry(path: path, byteCount: Int(status.st_size), time: time))
        case S_IFLNK:
            // A link to a file is a document of its own; one to a folder could lead in a circle.
            if case .file(var file)? = try? entry(path, followsLinks: true) {
                file.path = path
                return .file(file)
            }
            return nil
        default: return nil
        }
    }

    /// The names of what is in a folder, in order; `nil` where it cannot be read.
    private static func names(in folder: String) -> [[UInt8]]? {
        guard let stream = opendir(folder) else { return nil }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func walk(
        _ folder: String, depth: Int, into found: inout [FileEntry],
        _ onSkip: (_ folder: String, _ reason: String) -> Void
    ) throws {
        guard depth < depthLimit else {
            return onSkip(folder, "more than \(depthLimit) folders in each other; index it by its own name")
        }
        guard let entries = names(in: folder) else {
            // A folder that vanished meanwhile is no failure.
            if access(folder, F_OK) == 0 { onSkip(folder, String(cString: strerror(EACCES))) }
            return
        }
        for name in entries where name.first != UInt8(ascii: ".") {
            let path = (folder.hasSuffix("/") ? folder : folder + "/") + String(decoding: name, as: UTF8.self)
            guard String(validating: name, as: UTF8.self) != nil else {
                onSkip(path, "its name is not UTF-8; rename it")
                continue
            }
            // A file that vanishes during the walk counts as absent.
            switch try? entry(path, followsLinks: false) {
            case .file(let file): found.append(file)
            case .folder: try walk(path, depth: depth + 1, into: &found, onSkip)
            case nil: continue
            }
        }
    }
}
