/// Automata of JSON numbers.
enum NumberAutomata {
    /// How a number compares with another one.
    struct Order: OptionSet, Hashable {
        let rawValue: Int
        static let less = Order(rawValue: 1)
        static let equal = Order(rawValue: 2)
        static let greater = Order(rawValue: 4)
        static let any: Order = [.less, .equal, .greater]
    }

    /// The largest exponent of ten, so that every number is a finite double.
    private static let maximumExponent = 307

    static func number() throws(GrammarError) -> NFA {
        var builder = NFABuilder()
        let (start, whole, final) = (try builder.state(), try builder.state(), try builder.state())
        try builder.integerDigits(start, whole)
        builder.link(whole, final)
        let (point, fraction, exponent) = (try builder.state(), try builder.state(), try builder.state())
        builder.add(whole, 0x2E, point)
        builder.add(point, 0x30...0x39, fraction)
        builder.add(fraction, 0x30...0x39, fraction)
        builder.link(fraction, final)
        for from in [whole, fraction] { builder.addE(from, exponent) }
        try builder.exponent(exponent, -maximumExponent...maximumExponent, final)
        return builder.finished(start: start, final: final)
    }

    /// Integers as JSON Schema counts them: `1`, `1.0` and `1e2`.
    static func integer() throws(GrammarError) -> NFA {
        var builder = NFABuilder()
        let (start, whole, final) = (try builder.state(), try builder.state(), try builder.state())
        try builder.integerDigits(start, whole)
        builder.link(whole, final)
        let (point, fraction, exponent) = (try builder.state(), try builder.state(), try builder.state())
        builder.add(whole, 0x2E, point)
        builder.add(point, 0x30, fraction)
        builder.add(fraction, 0x30, fraction)
        builder.link(fraction, final)
        for from in [whole, fraction] { builder.addE(from, exponent) }
        try builder.exponent(exponent, 0...maximumExponent, final)
        return builder.finished(start: start, final: final)
    }

    /// Numbers as models write them. They have at most as many digits before and behind the point as in llama.cpp's
    /// grammars, since a model might write digits without end; integers have no point.
    static func written(isInteger: Bool) throws(GrammarError) -> NFA {
        let digitLimit = 16
        var builder = NFABuilder()
        let (start, unsigned, final) = (try builder.state(), try builder.state(), try builder.state())
        builder.link(start, unsigned)
        builder.add(start, 0x2D, unsigned)
        let whole = try builder.state()
        builder.add(unsigned, 0x30, whole)
        var digit = try builder.state()
        builder.add(unsigned, 0x31...0x39, digit)
        for _ in 1..<digitLimit {
            builder.link(digit, whole)
            let next = try builder.state()
            builder.add(digit, 0x30...0x39, next)
            digit = next
        }
        builder.link(digit, whole)
        builder.link(whole, final)
        guard !isInteger else { return builder.finished(start: start, final: final) }
        let (point, exponent) = (try builder.state(), try builder.state())
        builder.add(whole, 0x2E, point)
        builder.addE(whole, exponent)
        digit = point
        for _ in 0..<digitLimit {
            let next = try builder.state()
            builder.add(digit, 0x30...0x39, next)
            builder.link(next, final)
            builder.addE(next, exponent)
            digit = next
        }
        try builder.exponent(exponent, -maximumExponent...maximumExponent, final)
        return builder.finished(start: start, final: final)
    }

    /// Numbers that compare with each of some bounds in one of the given ways.
    static func comparisons(_ list: [(SchemaDecimal, Order)]) throws(GrammarError) -> NFA {
        var builder = NFABuilder()
        let (start, final) = (try builder.state(), try builder.state())
        for (bound, order) in list {
            let (positive, negative) = orders(bound, order)
            try builder.comparison(start, bound, positive, final)
            guard !negative.isEmpty else { continue }
            let minus = try builder.state()
            builder.add(start, 0x2D, minus)
            try builder.comparison(minus, bound, negative, final)
        }
        return builder.finished(start: start, final: final)
    }

    /// The ways in which the magnitudes of numbers without and with a minus sign may compare with the bound's.
    private static func orders(_ bound: SchemaDecimal, _ order: Order) -> (positive: Order, negative: Order) {
        if bound.isZero {
            var negative: Order = order.contains(.less) ? [.greater] : []
            if order.contains(.equal) { negative.insert(.equal) }
            return (order.subtracting(.less), negative)
        }
        var mirrored: Order = order.contains(.less) ? [.greater] : []
        if order.contains(.equal) { mirrored.insert(.equal) }
        if order.contains(.greater) { mirrored.insert(.less) }
        return bound.isNegative
            ? (order.contains(.greater) ? .any : [], mirrored) : (order, order.contains(.less) ? .any : [])
    }

    /// Numbers without an exponent that are a multiple of the given one. `nil` where that takes too many states.
    static func multiples(of step: SchemaDecimal) throws(GrammarError) -> NFA? {
        let fractionCount = step.fractionDigits.count
        var modulus = 0
        for digit in step.wholeDigits + step.fractionDigits {
            modulus = modulus * 10 + Int(digit)
            if modulus > 50_000 { return nil }
        }
        guard modulus > 0, modulus * (fractionCount + 2) < 150_000 else { return nil }
        return try multiples(modulus, fractionCount)
    }

    private static func multiples(_ modulus: Int, _ fractionCount: Int) throws(GrammarError) -> NFA {
        var builder = NFABuilder()
        let (start, digits, final, zeros) = (
            try builder.state(), try builder.state(), try builder.state(), try builder.state()
        )
        builder.link(start, digits)
        builder.add(start, 0x2D, digits)
        builder.add(zeros, 0x30, zeros)
        builder.link(zeros, final)
        // A state: the remainder of the digits so far, of which so many stand behind the point.
        var places: [[Int32]] = []
        for _ in 0...fractionCount {
            var row: [Int32] = []
            for _ in 0..<modulus { row.append(try builder.state()) }
            places.append(row)
        }
        for digit in 0..<10 { builder.add(digits, UInt8(0x30 + digit), places[0][digit % modulus]) }
        var scale = 1
        for count in (0...fractionCount).reversed() {
            for remainder in 0..<modulus {
                let from = places[count][remainder]
                let isMultiple = remainder * scale % modulus == 0
                if isMultiple { builder.link(from, final) }
                let next = count == 0 ? 0 : count + 1
                if next <= fractionCount {
                    for digit in 0..<10 {
                        builder.add(from, UInt8(0x30 + digit), places[next][(remainder * 10 + digit) % modulus])
                    }
                } else if isMultiple {
                    builder.add(from, 0x30, zeros)
                }
                if count == 0 { try addPoint(from, remainder, places, zeros, isMultiple, &builder) }
            }
            scale = scale * 10 % modulus
            if modulus == 1 { scale = 0 }
        }
        return builder.finished(start: start, final: final)
    }

    private static func addPoint(
        _ from: Int32, _ remainder: Int, _ places: [[Int32]], _ zeros: Int32, _ isMultiple: Bool,
        _ builder: inout NFABuilder
    ) throws(GrammarError) {
        guard places.count > 1 || isMultiple else { return }
        let point = try builder.state()
        builder.add(from, 0x2E, point)
        guard places.count > 1 else { return builder.add(point, 0x30, zeros) }
        let modulus = places[0].count
        for digit in 0..<10 { builder.add(point, UInt8(0x30 + digit), places[1][(remainder * 10 + digit) % modulus]) }
    }
}

extension NFABuilder {
    mutating func addE(_ from: Int32, _ to: Int32) {
        add(from, 0x65, to)
        add(from, 0x45, to)
    }

    /// `-?(0|[1-9][0-9]*)`
    mutating func integerDigits(_ from: Int32, _ to: Int32) throws(GrammarError) {
        let (unsigned, more) = (try state(), try state())
        link(from, unsigned)
        add(from, 0x2D, unsigned)
        add(unsigned, 0x30, to)
        add(unsigned, 0x31...0x39, more)
        add(more, 0x30...0x39, more)
        link(more, to)
    }

    /// An exponent in a range, with the `e` before it.
    mutating func exponent(_ from: Int32, _ range: ClosedRange<Int>, _ to: Int32) throws(GrammarError) {
        if range.upperBound >= 0 {
            let unsigned = try state()
            link(from, unsigned)
            add(from, 0x2B, unsigned)
            try magnitudes(unsigned, max(range.lowerBound, 0)...range.upperBound, to)
        }
        if range.lowerBound <= 0 {
            let unsigned = try state()
            add(from, 0x2D, unsigned)
            try magnitudes(unsigned, max(-range.upperBound, 0)...(-range.lowerBound), to)
        }
    }

    /// Numbers below 1000 in one to three digits; those below 10 also with a leading zero.
    private mutating func magnitudes(_ from: Int32, _ range: ClosedRange<Int>, _ to: Int32) throws(GrammarError) {
        for (count, limits) in [(1, 0...9), (2, 0...99), (3, 100...999)] where range.overlaps(limits) {
            let part = range.clamped(to: limits)
            try decimal(from, part.lowerBound, part.upperBound, count, to)
        }
    }

    private mutating func decimal(_ from: Int32, _ low: Int, _ high: Int, _ count: Int, _ to: Int32)
        throws(GrammarError)
    {
        if count == 1 { return add(from, UInt8(0x30 + low)...UInt8(0x30 + high), to) }
        let unit = count == 2 ? 10 : 100
        for digit in low / unit...high / unit {
            let next = try state()
            add(from, UInt8(0x30 + digit), next)
            let start = digit == low / unit ? low % unit : 0
            let end = digit == high / unit ? high % unit : unit - 1
            try decimal(next, start, end, count - 1, to)
        }
    }

    // MARK: Comparisons

    /// Unsigned numbers whose magnitude compares with the bound's in one of some ways: as plain decimals, or with one
    /// digit before the point and an exponent.
    mutating func comparison(
        _ from: Int32, _ bound: SchemaDecimal, _ order: NumberAutomata.Order, _ to: Int32
    ) throws(GrammarError) {
        guard !order.isEmpty else { return }
        try plainComparison(from, bound, order, to)
        try scientificComparison(from, bound, order, to)
    }

    /// The states of a fraction behind the point, after a whole part that is less, equal or greater.
    private struct Fractions {
        var less: Int32
        var greater: Int32
        /// The states after so many digits that equal those of the bound's fraction.
        var equal: [Int32]
    }

    private static func order(_ digit: UInt8, _ other: UInt8) -> NumberAutomata.Order {
        digit < other ? .less : digit == other ? .equal : .greater
    }

    private mutating func fractions(
        _ digits: [UInt8], _ outcome: (inout NFABuilder, Int32, NumberAutomata.Order) -> Void
    ) throws(GrammarError) -> Fractions {
        let (less, greater) = (try state(), try state())
        var equal: [Int32] = []
        for _ in 0...digits.count { equal.append(try state()) }
        for (place, order) in [(less, NumberAutomata.Order.less), (greater, .greater)] {
            add(place, 0x30...0x39, place)
            outcome(&self, place, order)
        }
        for count in 0...digits.count {
            let wanted = count < digits.count ? digits[count] : 0
            for digit in UInt8(0)..<10 {
                let next =
                    switch NFABuilder.order(digit, wanted) {
                    case .less: less
                    case .greater: greater
                    default: equal[min(count + 1, digits.count)]
                    }
                add(equal[count], 0x30 + digit, next)
            }
            outcome(&self, equal[count], count < digits.count ? .less : .equal)
        }
        return Fractions(less: less, greater: greater, equal: equal)
    }

    /// Adds the point and the first digit behind it.
    private mutating func addPoint(
        _ from: Int32, _ order: NumberAutomata.Order, _ fractions: Fractions, _ first: UInt8?
    ) throws(GrammarError) {
        let point = try state()
        add(from, 0x2E, point)
        for digit in UInt8(0)..<10 {
            let next: Int32
            switch order {
            case .less: next = fractions.less
            case .greater: next = fractions.greater
            default:
                switch NFABuilder.order(digit, first ?? 0) {
                case .less: next = fractions.less
                case .greater: next = fractions.greater
                default: next = fractions.equal[min(1, fractions.equal.count - 1)]
                }
            }
            add(point, 0x30 + digit, next)
        }
    }

    private mutating func plainComparison(
        _ from: Int32, _ bound: SchemaDecimal, _ wanted: NumberAutomata.Order, _ to: Int32
    ) throws(GrammarError) {
        let (whole, fraction) = (bound.wholeDigits, bound.fractionDigits)
        func accept(_ builder: inout NFABuilder, _ place: Int32, _ order: NumberAutomata.Order) {
            if wanted.contains(order) { builder.link(place, to) }
        }
        let fractions = try fractions(fraction, accept)
        func end(_ place: Int32, _ order: NumberAutomata.Order, _ builder: inout NFABuilder) throws(GrammarError) {
            accept(&builder, place, order == .equal && !fraction.isEmpty ? .less : order)
            try builder.addPoint(place, order, fractions, fraction.first)
        }
        let (zero, more) = (try state(), try state())
        add(from, 0x30, zero)
        try end(zero, whole.count > 1 ? .less : NFABuilder.order(0, whole[0]), &self)
        add(more, 0x30...0x39, more)
        try end(more, .greater, &self)
        // The states by how the digits so far compare with as many of the bound's.
        var places: [NumberAutomata.Order: Int32] = [:]
        for order in [NumberAutomata.Order.less, .equal, .greater] { places[order] = try state() }
        for digit in UInt8(1)..<10 {
            if let next = places[NFABuilder.order(digit, whole[0])] { add(from, 0x30 + digit, next) }
        }
        for count in 1...whole.count {
            var next: [NumberAutomata.Order: Int32] = [:]
            if count < whole.count {
                for order in [NumberAutomata.Order.less, .equal, .greater] { next[order] = try state() }
            }
            for (order, place) in places.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                try end(place, count < whole.count ? .less : order, &self)
                for digit in UInt8(0)..<10 {
                    guard count < whole.count else {
                        add(place, 0x30 + digit, more)
                        continue
                    }
                    let result = order == .equal ? NFABuilder.order(digit, whole[count]) : order
                    if let target = next[result] { add(place, 0x30 + digit, target) }
                }
            }
            places = next
        }
    }

    private mutating func scientificComparison(
        _ from: Int32, _ bound: SchemaDecimal, _ wanted: NumberAutomata.Order, _ to: Int32
    ) throws(GrammarError) {
        let limit = 307
        let size = bound.isZero ? -limit - 1 : bound.pointPosition - 1
        var ends: [NumberAutomata.Order: Int32] = [:]
        let (smaller, equal, larger) = (try state(), try state(), try state())
        if wanted.contains(.less), size > -limit { try exponent(smaller, -limit...min(size - 1, limit), to) }
        if abs(size) <= limit { try exponent(equal, size...size, to) }
        if wanted.contains(.greater), size < limit { try exponent(larger, max(size + 1, -limit)...limit, to) }
        for order in [NumberAutomata.Order.less, .equal, .greater] {
            let place = try state()
            ends[order] = place
            link(place, smaller)
            link(place, larger)
            if wanted.contains(order) { link(place, equal) }
        }
        func finish(_ builder: inout NFABuilder, _ place: Int32, _ order: NumberAutomata.Order) {
            if let end = ends[order] { builder.addE(place, end) }
        }
        let digits = bound.isZero ? [0] : bound.digits
        let rest = Array(digits.dropFirst())
        let fractions = try fractions(rest, finish)
        for order in [NumberAutomata.Order.less, .equal, .greater] {
            let place = try state()
            for digit in UInt8(1)..<10 where NFABuilder.order(digit, digits[0]) == order {
                add(from, 0x30 + digit, place)
            }
            finish(&self, place, order == .equal && !rest.isEmpty ? .less : order)
            try addPoint(place, order, fractions, rest.first)
        }
    }
}
