import Foundation

/// Arrival times and lengths that were recorded somewhere, such as the Azure LLM inference traces: a CSV with the columns
/// `TIMESTAMP,ContextTokens,GeneratedTokens`, the time as `2023-11-16 18:15:46.6805900` or in seconds.
package struct RequestTrace: Sendable, Hashable {
    package struct Entry: Sendable, Hashable {
        /// After the first request.
        package let seconds: Double
        package let promptCount: Int
        package let outputCount: Int
    }

    package let entries: [Entry]

    private static let columns = "TIMESTAMP,ContextTokens,GeneratedTokens"
    private static let maxByteCount = 1 << 28

    /// Reads at most `limit` requests.
    /// - Throws: ``TraceError`` naming the file and the line.
    package init(path: String, limit: Int = .max) throws {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw TraceError.unreadable(path: path, reason: "it does not exist or may not be read")
        }
        defer { try? handle.close() }
        let data: Data
        do {
            data = try handle.read(upToCount: RequestTrace.maxByteCount + 1) ?? Data()
        } catch {
            throw TraceError.unreadable(path: path, reason: "it is no file that can be read")
        }
        guard data.count <= RequestTrace.maxByteCount else {
            throw TraceError.unreadable(path: path, reason: "it is larger than \(RequestTrace.maxByteCount) bytes")
        }
        try self.init(parsing: String(decoding: data, as: UTF8.self), path: path, limit: limit)
    }

    package init(parsing text: String, path: String, limit: Int = .max) throws {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        func refuse(_ line: Int, _ reason: String) -> TraceError {
            .invalidLine(path: path, line: line, reason: reason)
        }
        guard let header = lines.first, header.filter({ $0 != " " && $0 != "\u{FEFF}" }) == RequestTrace.columns else {
            throw refuse(1, "the header is not \(RequestTrace.columns)")
        }
        var entries: [Entry] = []
        var first: Double?
        var last = -Double.infinity
        for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty && entries.count < limit {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            guard fields.count == 3 else { throw refuse(index + 1, "\(fields.count) fields, expected 3") }
            guard let time = RequestTrace.seconds(fields[0]) else {
                throw refuse(index + 1, "'\(fields[0].prefix(40))' is no time")
            }
            guard time >= last else { throw refuse(index + 1, "it arrives before the line above it") }
            let counts = fields.dropFirst().map { Int($0).flatMap { (0...maxTokens).contains($0) ? $0 : nil } }
            guard let prompt = counts[0], let output = counts[1], prompt > 0, output > 0 else {
                throw refuse(
                    index + 1,
                    "lengths '\(fields[1].prefix(20))' and '\(fields[2].prefix(20))', "
                        + "expected integers from 1 to \(maxTokens)")
            }
            last = time
            first = first ?? time
            entries.append(Entry(seconds: time - (first ?? time), promptCount: prompt, outputCount: output))
        }
        guard !entries.isEmpty else { throw refuse(2, "no request") }
        self.entries = entries
    }

    /// Seconds since some fixed day, or the number as it is.
    private static func seconds(_ text: Substring) -> Double? {
        if let number = Double(text) { return number.isFinite && number >= 0 ? number : nil }
        let parts = text.split(whereSeparator: { $0 == " " || $0 == "T" })
        guard parts.count == 2 else { return nil }
        let date = parts[0].split(separator: "-").map { Int($0) }
        let time = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        guard date.count == 3, let year = date[0], let month = date[1], let day = date[2], time.count == 3,
            let hour = Int(time[0]), let minute = Int(time[1]), let second = Double(time[2]),
            (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0..<24).contains(hour),
            (0..<60).contains(minute), second >= 0, second < 61
        else { return nil }
        return Double(dayNumber(year, month, day)) * 86400 + Double(hour * 3600 + minute * 60) + second
    }

    /// Days since the first of March of the year 0 of the Gregorian calendar. (Richards, 2013)
    private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let y = month > 2 ? year : year - 1
        let m = (month + 9) % 12
        return 365 * y + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1
    }
}

/// Longer prompts or outputs are a broken line, not a request.
private let maxTokens = 1 << 24

/// What is wrong with a trace.
package enum TraceError: Error, Sendable, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case invalidLine(path: String, line: Int, reason: String)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .invalidLine(let path, let line, let reason): "\(path), line \(line): \(reason)"
        }
    }
}
