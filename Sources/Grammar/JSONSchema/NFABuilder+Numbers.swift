/// The parts of numbers: digits, exponents, and digits that compare with those of a bound.
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
