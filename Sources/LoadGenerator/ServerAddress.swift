/// Where a server listens: `http://HOST:PORT`, with or without `/v1` behind it.
package struct ServerAddress: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: Int
    /// What stands before the API's own paths; empty or `/v1`'s parent.
    package let basePath: String

    package init(host: String, port: Int, basePath: String = "") {
        self.host = host
        self.port = port
        self.basePath = basePath
    }

    /// `nil` where the text is no such address; `https` is none, for this client speaks HTTP alone.
    package init?(_ text: String) {
        guard text.hasPrefix("http://") else { return nil }
        var rest = text.dropFirst("http://".count)
        var path = ""
        if let slash = rest.firstIndex(of: "/") {
            path = String(rest[slash...])
            rest = rest[..<slash]
        }
        while path.hasSuffix("/") { path.removeLast() }
        if path.hasSuffix("/v1") { path.removeLast(3) }
        guard path.allSatisfy({ $0.isASCII && !$0.isWhitespace }) else { return nil }
        let (host, port): (Substring, Int?)
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            host = rest[rest.index(after: rest.startIndex)..<end]
            let tail = rest[rest.index(after: end)...]
            guard tail.isEmpty || tail.hasPrefix(":") else { return nil }
            port = tail.isEmpty ? 80 : Int(tail.dropFirst())
        } else {
            let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { return nil }
            host = parts[0]
            port = parts.count == 2 ? Int(parts[1]) : 80
        }
        guard let port, (1...65535).contains(port), !host.isEmpty, host.allSatisfy({ $0.isASCII && !$0.isWhitespace })
        else { return nil }
        self.init(host: String(host), port: port, basePath: path)
    }

    package var description: String {
        "http://" + (host.contains(":") ? "[\(host)]" : host) + ":\(port)\(basePath)"
    }

    /// The value of the `Host` field.
    var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }
}
