public import JSONCore

extension JSONArray {
    public var first: JSONValue? { first { _ in true } }
    public var isEmpty: Bool { !contains { _ in true } }
}
