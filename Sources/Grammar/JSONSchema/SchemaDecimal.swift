internal import JSONCore

/// A decimal number of any size, exactly as written.
struct SchemaDecimal: Hashable {
    var isNegative: Bool
    /// The digits without zeros at either end; empty for 0.
    var digits: [UInt8]
    /// How many digits stand before the point. Negative, or more than there are, where zeros are left out between.
    var pointPosition: Int

    static let zero = SchemaDecimal(isNegative: false, digits: [], pointPosition: 0)
    /// The most digits on either side of the point.
    static let digitLimit = 400

    var isZero: Bool { digits.isEmpty }

    init(isNegative: Bool, digits: [UInt8], pointPosition: Int) {
        let leading = digits.prefix { $0 == 0 }.count
        var kept = Array(digits.dropFirst(leading))
        while kept.last == 0 { kept.removeLast() }
        self.digits = kept
        self.isNegative = isNegative && !kept.isEmpty
        self.pointPosition = kept.isEmpty ? 0 : pointPosition - leading
    }

    /// - Parameter text: a number as JSON or `Double.description` writes it.
    init?(text: String) {
        let parts = text.lowercased().split(separator: "e", omittingEmptySubsequences: false)
        guard let mantissa = parts.first, parts.count <= 2 else { return nil }
        let exponent = parts.count == 2 ? Int(parts[1].drop { $0 == "+" }) : 0
        guard let exponent, abs(exponent) < 1_000_000 else { return nil }
        let isNegative = mantissa.hasPrefix("-")
        let sides = mantissa.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = sides.first, sides.count <= 2, !whole.isEmpty else { return nil }
        let all = whole.utf8.map { $0 } + (sides.count == 2 ? sides[1].utf8.map { $0 } : [])
        guard all.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(
            isNegative: isNegative, digits: all.map { $0 - 0x30 }, pointPosition: whole.utf8.count + exponent)
        guard isZero || (abs(pointPosition) <= SchemaDecimal.digitLimit && digits.count <= SchemaDecimal.digitLimit)
        else {
            return nil
        }
    }

    init?(_ value: JSON) {
        switch value {
        case .int(let number): self.init(text: "\(number)")
        case .double(let number): self.init(text: number.description)
        default: return nil
        }
    }

    var isInteger: Bool { digits.count <= pointPosition || isZero }

    /// The digits, at least one.
    var wholeDigits: [UInt8] {
        guard pointPosition > 0 else { return [0] }
        return (0..<pointPosition).map { $0 < digits.count ? digits[$0] : 0 }
    }

    var fractionDigits: [UInt8] {
        guard digits.count > pointPosition else { return [] }
        return Array(repeating: 0, count: max(-pointPosition, 0)) + digits[max(pointPosition, 0)...]
    }

    /// -1, 0 or 1 where this number is less, equal or greater.
    func compare(_ other: SchemaDecimal) -> Int {
        if isNegative != other.isNegative { return isNegative ? -1 : 1 }
        let sign = isNegative ? -1 : 1
        return sign * compareMagnitude(other)
    }

    private func compareMagnitude(_ other: SchemaDecimal) -> Int {
        if isZero || other.isZero { return isZero == other.isZero ? 0 : (isZero ? -1 : 1) }
        if pointPosition != other.pointPosition { return pointPosition < other.pointPosition ? -1 : 1 }
        for index in 0..<max(digits.count, other.digits.count) {
            let (a, b) = (
                index < digits.count ? digits[index] : 0, index < other.digits.count ? other.digits[index] : 0
            )
            if a != b { return a < b ? -1 : 1 }
        }
        return 0
    }
}
