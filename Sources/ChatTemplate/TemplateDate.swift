import Glibc

/// The moment that `strftime_now` shows, in calendar terms.
public struct TemplateDate: Sendable, Equatable {
    public var year: Int
    public var month: Int
    public var day: Int
    public var hour: Int
    public var minute: Int
    public var second: Int

    /// - Returns: nil where the numbers are no date.
    public init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...9999).contains(year), (1...12).contains(month), (1...lengths[month - 1]).contains(day),
            (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second)
        else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
        (self.hour, self.minute, self.second) = (hour, minute, second)
    }

    /// Reads `2026-01-15`, `2026-01-15T09:30` or `2026-01-15 09:30:00`.
    public init?(_ text: String) {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == "T" || $0 == " " }
        let date = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count <= 2, date.count == 3, let year = date[0], let month = date[1], let day = date[2] else {
            return nil
        }
        var time = [0, 0, 0]
        if parts.count == 2 {
            let fields = parts[1].split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
            guard (2...3).contains(fields.count) else { return nil }
            for (index, field) in fields.enumerated() {
                guard let field else { return nil }
                time[index] = field
            }
        }
        self.init(year: year, month: month, day: day, hour: time[0], minute: time[1], second: time[2])
    }

    /// The present local time.
    public static func now() -> TemplateDate {
        var seconds = time(nil)
        var calendar = tm()
        localtime_r(&seconds, &calendar)
        return TemplateDate(calendar)
    }

    private init(_ calendar: tm) {
        year = Int(calendar.tm_year) + 1900
        month = Int(calendar.tm_mon) + 1
        day = Int(calendar.tm_mday)
        hour = Int(calendar.tm_hour)
        minute = Int(calendar.tm_min)
        second = min(Int(calendar.tm_sec), 59)
    }

    /// `strftime` of the C library, in the C locale; microseconds (`%f`) are 0.
    func formatted(_ format: String) -> String {
        var calendar = tm()
        calendar.tm_year = Int32(year - 1900)
        calendar.tm_mon = Int32(month - 1)
        calendar.tm_mday = Int32(day)
        calendar.tm_hour = Int32(hour)
        calendar.tm_min = Int32(minute)
        calendar.tm_sec = Int32(second)
        calendar.tm_isdst = -1
        // Fills in the day of the week and of the year, by the calendar alone.
        var copy = calendar
        _ = timegm(&copy)
        calendar.tm_wday = copy.tm_wday
        calendar.tm_yday = copy.tm_yday
        var result = ""
        var rest = Substring(format)
        // One directive at a time, so that no buffer has to be guessed for the whole.
        while let percent = rest.firstIndex(of: "%") {
            result += rest[..<percent]
            rest = rest[percent...]
            var end = rest.index(after: rest.startIndex)
            while end < rest.endIndex, "-_0^#EO".contains(rest[end]) { end = rest.index(after: end) }
            guard end < rest.endIndex else { break }
            let directive = String(rest[...end])
            rest = rest[rest.index(after: end)...]
            switch directive {
            case "%f": result += "000000"
            case "%z", "%Z": break
            default: result += TemplateDate.expand(directive, &calendar)
            }
        }
        return result + rest
    }

    private static func expand(_ directive: String, _ calendar: inout tm) -> String {
        guard directive.utf8.count <= 8 else { return directive }
        var buffer = [CChar](repeating: 0, count: 128)
        let count = strftime(&buffer, buffer.count, directive, &calendar)
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
