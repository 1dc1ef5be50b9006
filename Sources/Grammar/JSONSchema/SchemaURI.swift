/// References as RFC 3986 resolves them, as far as `$id` and `$ref` need it.
enum SchemaURI {
    /// The part of a URI before `#` and the part behind it.
    static func split(_ reference: String) -> (uri: String, fragment: String) {
        guard let hash = reference.firstIndex(of: "#") else { return (reference, "") }
        return (String(reference[..<hash]), String(reference[reference.index(after: hash)...]))
    }

    /// - Parameter reference: the reference without its fragment.
    static func resolve(_ reference: String, against base: String) -> String {
        if reference.isEmpty { return base }
        if hasScheme(reference) { return reference }
        let (root, path) = parts(of: base)
        if reference.hasPrefix("//") { return (base.firstIndex(of: ":").map { base[...$0] } ?? "") + reference }
        if reference.hasPrefix("/") { return root + normalized(reference) }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
        return root + normalized(folder + reference)
    }

    private static func hasScheme(_ text: String) -> Bool {
        guard let colon = text.firstIndex(of: ":"), let first = text.first, first.isASCII, first.isLetter else {
            return false
        }
        return text[..<colon].allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+.-".contains($0)) }
    }

    /// `http://host` and `/path`.
    private static func parts(of uri: String) -> (root: String, path: Substring) {
        guard hasScheme(uri), let colon = uri.firstIndex(of: ":") else { return ("", uri[...]) }
        let rest = uri[uri.index(after: colon)...]
        guard rest.hasPrefix("//") else { return (String(uri[...colon]), rest) }
        let host = rest.dropFirst(2)
        guard let slash = host.firstIndex(of: "/") else { return (uri, "/") }
        return (String(uri[..<slash]), host[slash...])
    }

    private static func normalized(_ path: String) -> String {
        var segments: [Substring] = []
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let isLast = index + 1 == parts.count
            if part == "." {
                if isLast { segments.append("") }
            } else if part == ".." {
                if segments.count > 1 { segments.removeLast() }
                if isLast { segments.append("") }
            } else {
                segments.append(part)
            }
        }
        return segments.joined(separator: "/")
    }

    /// The steps of a JSON pointer in a fragment (RFC 6901).
    static func pointerSteps(_ fragment: String) -> [String]? {
        guard let text = percentDecoded(fragment) else { return nil }
        if text.isEmpty { return [] }
        guard text.hasPrefix("/") else { return nil }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { step in
            unescaped(step)
        }
    }

    private static func unescaped(_ step: Substring) -> String {
        var result = String.UnicodeScalarView()
        var isEscape = false
        for scalar in step.unicodeScalars {
            if isEscape {
                result.append(scalar == "1" ? "/" : "~")
                if scalar != "0", scalar != "1" { result.append(scalar) }
                isEscape = false
            } else if scalar == "~" {
                isEscape = true
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }

    static func escaped(_ step: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in step.unicodeScalars {
            switch scalar {
            case "~": result.append(contentsOf: "~0".unicodeScalars)
            case "/": result.append(contentsOf: "~1".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    private static func percentDecoded(_ text: String) -> String? {
        guard text.utf8.contains(0x25) else { return text }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == 0x25, index + 2 < bytes.count,
                let value = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
            {
                result.append(value)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(validating: result, as: UTF8.self)
    }
}
