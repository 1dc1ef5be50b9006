extension ModelLocation {
    /// The content of a file beside the weights, or `nil` where there is none. Blocks.
    /// - Throws: `LoadError` where it cannot be read or has more than `maximum` bytes.
    package func contents(of name: String, maximum: Int) throws -> [UInt8]? {
        guard let path = existingFile(name) else { return nil }
        return try OpenFile(reading: path).readAll(maximum: maximum)
    }
}
