/// Builds an automaton from characters and texts.
struct NFABuilder {
    static let stateLimit = 400_000
    private(set) var edges: [[NFA.Edge]] = []
    private(set) var emptyEdges: [[Int32]] = []

    mutating func state() throws(GrammarError) -> Int32 {
        guard edges.count < NFABuilder.stateLimit else {
            throw .tooComplex(what: "states of a regular expression", limit: NFABuilder.stateLimit)
        }
        edges.append([])
        emptyEdges.append([])
        return Int32(edges.count - 1)
    }

    mutating func link(_ from: Int32, _ to: Int32) { emptyEdges[Int(from)].append(to) }

    mutating func add(_ from: Int32, _ bytes: ClosedRange<UInt8>, _ to: Int32) {
        edges[Int(from)].append(NFA.Edge(low: bytes.lowerBound, high: bytes.upperBound, target: to))
    }

    mutating func add(_ from: Int32, _ byte: UInt8, _ to: Int32) { add(from, byte...byte, to) }

    /// A sequence of bytes, each in one of its ranges.
    mutating func chain(_ from: Int32, _ parts: [[ClosedRange<UInt8>]], _ to: Int32) throws(GrammarError) {
        var current = from
        for (index, ranges) in parts.enumerated() {
            let next = index + 1 == parts.count ? to : try state()
            for range in ranges { add(current, range, next) }
            current = next
        }
    }

    mutating func text(_ from: Int32, _ bytes: some Collection<UInt8>, _ to: Int32) throws(GrammarError) {
        if bytes.isEmpty { return link(from, to) }
        try chain(from, bytes.map { [$0...$0] }, to)
    }

    /// One character of a set.
    mutating func scalars(
        _ from: Int32, _ set: ScalarSet, _ to: Int32, _ encoding: CharacterEncoding
    ) throws(GrammarError) {
        switch encoding {
        case .utf8: try utf8(from, set, to)
        case .jsonString:
            try utf8(from, set.subtracting(NFABuilder.mustEscape), to)
            try escapes(from, set, to)
        }
    }

    /// Control characters, the quotation mark and the backslash, which JSON strings must escape.
    private static let mustEscape = ScalarSet([0...0x1F, 0x22...0x22, 0x5C...0x5C])

    // MARK: UTF-8

    private mutating func utf8(_ from: Int32, _ set: ScalarSet, _ to: Int32) throws(GrammarError) {
        let limits: [ClosedRange<UInt32>] = [0...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF]
        for (index, limit) in limits.enumerated() {
            for range in set.clipped(to: limit) {
                try utf8(
                    from, range.lowerBound, range.upperBound, continuationCount: index, lead: NFABuilder.leads[index],
                    to)
            }
        }
    }

    private static let leads: [UInt32] = [0, 0xC0, 0xE0, 0xF0]

    /// Characters from `low` to `high`, whose UTF-8 has the same number of bytes.
    private mutating func utf8(
        _ from: Int32, _ low: UInt32, _ high: UInt32, continuationCount count: Int, lead: UInt32, _ to: Int32
    ) throws(GrammarError) {
        let shift = UInt32(6 * count)
        let (first, last) = (low >> shift, high >> shift)
        if count == 0 { return add(from, UInt8(lead | low)...UInt8(lead | high), to) }
        let mask = (UInt32(1) << shift) - 1
        var (middleStart, middleEnd) = (first, last)
        func part(_ value: UInt32, _ low: UInt32, _ high: UInt32, _ builder: inout NFABuilder) throws(GrammarError) {
            let next = try builder.state()
            builder.add(from, UInt8(lead | value), next)
            try builder.utf8(next, low, high, continuationCount: count - 1, lead: 0x80, to)
        }
        if first == last { return try part(first, low & mask, high & mask, &self) }
        if low & mask != 0 {
            try part(first, low & mask, mask, &self)
            middleStart += 1
        }
        if high & mask != mask {
            try part(last, 0, high & mask, &self)
            middleEnd -= 1
        }
        guard middleStart <= middleEnd else { return }
        let tail = [[ClosedRange<UInt8>]](repeating: [0x80...0xBF], count: count)
        try chain(from, [[UInt8(lead | middleStart)...UInt8(lead | middleEnd)]] + tail, to)
    }

    // MARK: JSON escapes

    private static let shortEscapes: [(scalar: UInt32, letter: UInt8)] = [
        (0x22, 0x22), (0x5C, 0x5C), (0x2F, 0x2F), (8, 0x62), (0xC, 0x66), (0xA, 0x6E), (0xD, 0x72), (9, 0x74),
    ]

    private mutating func escapes(_ from: Int32, _ set: ScalarSet, _ to: Int32) throws(GrammarError) {
        guard !set.isEmpty else { return }
        let backslash = try state()
        add(from, 0x5C, backslash)
        for escape in NFABuilder.shortEscapes where set.contains(escape.scalar) { add(backslash, escape.letter, to) }
        let unicode = try state()
        add(backslash, 0x75, unicode)
        for range in set.clipped(to: 0...0xFFFF) { try hex(unicode, range.lowerBound, range.upperBound, 4, to) }
        for range in set.clipped(to: 0x10000...0x10FFFF) {
            try surrogates(unicode, range.lowerBound - 0x10000, range.upperBound - 0x10000, to)
        }
    }

    /// The two escapes (a surrogate pair) of characters over U+FFFF, given less 0x10000.
    private mutating func surrogates(
        _ from: Int32, _ low: UInt32, _ high: UInt32, _ to: Int32
    ) throws(GrammarError) {
        func pair(
            _ first: ClosedRange<UInt32>, _ second: ClosedRange<UInt32>, _ builder: inout NFABuilder
        ) throws(GrammarError) {
            let (end, unicode) = (try builder.state(), try builder.state())
            try builder.hex(from, 0xD800 + first.lowerBound, 0xD800 + first.upperBound, 4, end)
            try builder.text(end, [0x5C, 0x75], unicode)
            try builder.hex(unicode, 0xDC00 + second.lowerBound, 0xDC00 + second.upperBound, 4, to)
        }
        let (first, last) = (low >> 10, high >> 10)
        let (lowTail, highTail) = (low & 0x3FF, high & 0x3FF)
        if first == last { return try pair(first...first, lowTail...highTail, &self) }
        let middleStart = lowTail == 0 ? first : first + 1
        if lowTail != 0 { try pair(first...first, lowTail...0x3FF, &self) }
        if highTail != 0x3FF { try pair(last...last, 0...highTail, &self) }
        let middleEnd = highTail == 0x3FF ? last + 1 : last
        if middleStart < middleEnd { try pair(middleStart...middleEnd - 1, 0...0x3FF, &self) }
    }

    /// Numbers from `low` to `high` in `count` hexadecimal digits of either case.
    private mutating func hex(
        _ from: Int32, _ low: UInt32, _ high: UInt32, _ count: Int, _ to: Int32
    ) throws(GrammarError) {
        let shift = UInt32(4 * (count - 1))
        let (first, last) = (low >> shift, high >> shift)
        let mask = (UInt32(1) << shift) - 1
        if count == 1 || (low & mask == 0 && high & mask == mask) {
            let tail = [[ClosedRange<UInt8>]](repeating: NFABuilder.hexDigits(0, 15), count: count - 1)
            return try chain(from, [NFABuilder.hexDigits(first, last)] + tail, to)
        }
        for digit in first...last {
            let next = try state()
            for range in NFABuilder.hexDigits(digit, digit) { add(from, range, next) }
            try hex(next, digit == first ? low & mask : 0, digit == last ? high & mask : mask, count - 1, to)
        }
    }

    private static func hexDigits(_ low: UInt32, _ high: UInt32) -> [ClosedRange<UInt8>] {
        var ranges: [ClosedRange<UInt8>] = []
        if low <= 9 { ranges.append(UInt8(0x30 + low)...UInt8(0x30 + min(high, 9))) }
        if high >= 10 {
            let (start, end) = (UInt8(max(low, 10) - 10), UInt8(high - 10))
            ranges += [0x41 + start...0x41 + end, 0x61 + start...0x61 + end]
        }
        return ranges
    }

    func finished(
        start: Int32, final: Int32, universal: Int32? = nil, persistent: Set<Int32> = []
    ) -> NFA {
        NFA(
            edges: edges, emptyEdges: emptyEdges, start: start, final: final, universal: universal,
            persistent: persistent)
    }

    /// One of several texts.
    static func texts(
        _ texts: [String], _ encoding: CharacterEncoding, prefix: [UInt8] = [], suffix: [UInt8] = []
    ) throws(GrammarError) -> NFA {
        var builder = NFABuilder()
        let (start, final) = (try builder.state(), try builder.state())
        for text in texts {
            var current = try builder.state()
            try builder.text(start, prefix, current)
            for scalar in text.unicodeScalars {
                let next = try builder.state()
                try builder.scalars(current, ScalarSet(scalar.value), next, encoding)
                current = next
            }
            try builder.text(current, suffix, final)
        }
        return builder.finished(start: start, final: final)
    }
}
