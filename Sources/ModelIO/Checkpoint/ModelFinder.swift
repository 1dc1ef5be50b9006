internal import Glibc

/// Finds models by name where other tools keep them: the Hugging Face cache (`HF_HUB_CACHE`, else `HF_HOME/hub`, else
/// `~/.cache/huggingface/hub`) and the folders of `INFER_MODELS`, parted by colons. Nothing is ever downloaded.
public struct ModelFinder: Sendable {
    /// A model that ``list()`` found.
    public struct Entry: Sendable, Hashable {
        /// The name that `--model` takes.
        public let name: String
        public let path: String
    }

    /// The Hugging Face cache.
    public let hub: String
    /// The folders of `INFER_MODELS`.
    public let folders: [String]

    /// - Parameter environment: returns the value of a variable.
    public init(environment: (String) -> String?) {
        func variable(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
        let cache = variable("XDG_CACHE_HOME") ?? joinPath(variable("HOME") ?? ".", ".cache")
        hub =
            variable("HF_HUB_CACHE") ?? variable("HUGGINGFACE_HUB_CACHE")
            ?? joinPath(variable("HF_HOME") ?? joinPath(cache, "huggingface"), "hub")
        folders = (variable("INFER_MODELS") ?? "").split(separator: ":").map(String.init)
    }

    /// The finder for the environment of this process.
    public init() {
        self.init { name in getenv(name).map { String(cString: $0) } }
    }

    /// The path of the model that `--model` names: a path that exists, a model `org/name` of the cache, or one below a
    /// folder of `INFER_MODELS`; the argument itself where nothing is found. For a folder of the cache it is the newest
    /// snapshot.
    public func resolve(_ argument: String) -> String {
        switch PathKind(argument) {
        case .folder: return ModelFinder.snapshot(in: argument) ?? argument
        case .file, .other: return argument
        case .missing: break
        }
        guard ModelFinder.isName(argument) else { return argument }
        let folder = "models--" + argument.split(separator: "/").joined(separator: "--")
        var candidates = [joinPath(hub, folder)]
        for place in folders {
            candidates += [joinPath(place, argument), joinPath(place, argument + ".gguf"), joinPath(place, folder)]
        }
        for candidate in candidates {
            switch PathKind(candidate) {
            case .folder: return ModelFinder.snapshot(in: candidate) ?? candidate
            case .file: return candidate
            default: continue
            }
        }
        return argument
    }

    /// Whether an argument can be a model's name, `name` or `org/name`, rather than a path.
    static func isName(_ argument: String) -> Bool {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        return (1...2).contains(parts.count)
            && parts.allSatisfy { part in
                guard let first = part.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "~") else {
                    return false
                }
                return !part.utf8.contains(0)
            }
    }

    /// The snapshot that `main` of a cached model points to, else the newest one; `nil` for a folder outside the cache.
    static func snapshot(in folder: String) -> String? {
        let snapshots = joinPath(folder, "snapshots")
        guard PathKind(snapshots) == .folder else { return nil }
        if let file = try? OpenFile(reading: joinPath(folder, "refs/main")), let bytes = try? file.readAll(maximum: 256)
        {
            let hash = String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
            let path = joinPath(snapshots, hash)
            if isName(hash), PathKind(path) == .folder { return path }
        }
        return names(in: snapshots).map { joinPath(snapshots, $0) }.filter { PathKind($0) == .folder }
            .max { modificationTime($0) < modificationTime($1) }
    }

    /// The models of the cache and of `INFER_MODELS`, by name.
    public func list() -> [Entry] {
        var entries: [Entry] = []
        for folder in ModelFinder.names(in: hub) where folder.hasPrefix("models--") {
            guard let path = ModelFinder.snapshot(in: joinPath(hub, folder)), ModelFinder.holdsModel(path) else {
                continue
            }
            let parts = folder.dropFirst("models--".count).split(separator: "--", maxSplits: 1)
            entries.append(Entry(name: parts.joined(separator: "/"), path: path))
        }
        for place in folders {
            for name in ModelFinder.names(in: place) { append(name, in: place, to: &entries) }
        }
        return entries.sorted { ($0.name, $0.path) < ($1.name, $1.path) }
    }

    private func append(_ name: String, in place: String, to entries: inout [Entry]) {
        let path = joinPath(place, name)
        switch PathKind(path) {
        case .file where name.hasSuffix(".gguf"): entries.append(Entry(name: name, path: path))
        case .folder where ModelFinder.holdsModel(ModelFinder.snapshot(in: path) ?? path):
            entries.append(Entry(name: name, path: ModelFinder.snapshot(in: path) ?? path))
        case .folder:
            for inner in ModelFinder.names(in: path) {
                let inside = joinPath(path, inner)
                guard PathKind(inside) == .folder, ModelFinder.holdsModel(inside) else { continue }
                entries.append(Entry(name: "\(name)/\(inner)", path: inside))
            }
        default: break
        }
    }

    private static func holdsModel(_ folder: String) -> Bool { (try? ModelLocation(folder)) != nil }

    /// The names in a folder, sorted, without hidden ones; empty where it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory), names.count < 100_000 {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func modificationTime(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_mtim.tv_sec) : 0
    }
}
