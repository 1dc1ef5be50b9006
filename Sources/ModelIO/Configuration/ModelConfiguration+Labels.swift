extension ModelConfiguration {
    /// The names of a classification's labels in the order of its outputs: `id2label`, else as many as `num_labels` says
    /// (two where it is not given), called as `transformers` calls them.
    /// - Throws: `LoadError` where a number is missing.
    public func labels() throws -> [String] {
        guard let names = try keys.object("id2label") else {
            let count = try keys.optionalSize("num_labels", maximum: SizeLimit.heads) ?? 2
            return (0..<count).map { "LABEL_\($0)" }
        }
        let numbers = names.source.keys
        guard !numbers.isEmpty else {
            throw LoadError.invalidValue(path: path, key: "id2label", expected: "labels", found: "none")
        }
        let texts = Dictionary(
            numbers.map { ($0, names.source.value(of: $0)) }, uniquingKeysWith: { first, _ in first })
        return try numbers.indices.map { index in
            guard let value = texts["\(index)"] ?? nil else { throw names.missing(["\(index)"]) }
            guard let text = value.string else { throw names.invalid("\(index)", value, expected: "a string") }
            return text
        }
    }
}
