/// Takes a stream of server-sent events apart, in whatever pieces it arrives. (WHATWG HTML, section 9.2)
package struct ServerSentEvents: Sendable {
    /// An event longer than this is no event of a language model.
    package static let maxEventByteCount = 1 << 22

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var skipsLineFeed = false

    package init() {}

    /// The data of the events that these bytes complete.
    /// - Returns: `nil` where an event is too long to be one.
    package mutating func push(_ bytes: some Sequence<UInt8>) -> [String]? {
        var events: [String] = []
        for byte in bytes {
            // A carriage return ends a line, and so does the line feed behind it, once.
            if byte == UInt8(ascii: "\n"), skipsLineFeed {
                skipsLineFeed = false
                continue
            }
            skipsLineFeed = byte == UInt8(ascii: "\r")
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                if let event = endLine() { events.append(event) }
            } else {
                line.append(byte)
                guard line.count + data.count <= ServerSentEvents.maxEventByteCount else { return nil }
            }
        }
        return events
    }

    private mutating func endLine() -> String? {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else {
            defer {
                data.removeAll(keepingCapacity: true)
                hasData = false
            }
            return hasData ? String(decoding: data, as: UTF8.self) : nil
        }
        // Comments and fields other than data mean nothing here.
        let name = Array("data".utf8)
        guard line.starts(with: name) else { return nil }
        var value = line.dropFirst(name.count)
        guard value.isEmpty || value.first == UInt8(ascii: ":") else { return nil }
        value = value.dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if hasData { data.append(UInt8(ascii: "\n")) }
        data += value
        hasData = true
        return nil
    }
}
