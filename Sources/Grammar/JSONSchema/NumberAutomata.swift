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
        try number(fractionDigits: 0x30...0x39, exponents: -maximumExponent...maximumExponent)
    }

    /// Integers as JSON Schema counts them: `1`, `1.0` and `1e2`.
    static func integer() throws(GrammarError) -> NFA {
        try number(fractionDigits: 0x30...0x30, exponents: 0...maximumExponent)
    }

    private static func number(
        fractionDigits: ClosedRange<UInt8>, exponents: ClosedRange<Int>
    ) throws(GrammarError) -> NFA {
        var builder = NFABuilder()
        let (start, whole, final) = (try builder.state(), try builder.state(), try builder.state())
        try builder.integerDigits(start, whole)
        builder.link(whole, final)
        let (point, fraction, exponent) = (try builder.state(), try builder.state(), try builder.state())
        builder.add(whole, 0x2E, point)
        builder.add(point, fractionDigits, fraction)
        builder.add(fraction, fractionDigits, fraction)
        builder.link(fraction, final)
        for from in [whole, fraction] { builder.addE(from, exponent) }
        try builder.exponent(exponent, exponents, final)
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
