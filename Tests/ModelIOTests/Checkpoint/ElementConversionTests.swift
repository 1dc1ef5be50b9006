import ModelIO
import TestSupport
import Testing

@Suite struct ElementConversionTests {
    /// Calls `body` with every float that is a 16-bit value, halfway between two, or next to a halfway point.
    private func edges(_ widened: (UInt16) -> Float, _ body: (Float) -> Void) {
        for bits in UInt16.min ... .max {
            let value = widened(bits)
            body(value)
            let next = widened(bits &+ 1)
            guard value.isFinite, next.isFinite, value.sign == next.sign else { continue }
            let middle = Float((Double(value) + Double(next)) / 2)
            for edge in [middle.nextDown, middle, middle.nextUp] { body(edge) }
        }
        for value in [65519.99, 65520, 65536, 1e9, Float.greatestFiniteMagnitude, .infinity, .nan, .signalingNaN] {
            body(value)
            body(-value)
        }
        for value in [Float.leastNonzeroMagnitude, .leastNormalMagnitude, 0x1p-25, Float(0x1p-25).nextUp, 0x1p-14] {
            body(value)
            body(-value)
        }
    }

    @Test func everyFloat16WidensExactly() {
        for bits in UInt16.min ... .max {
            let expected = Float(Float16(bitPattern: bits))
            let found = ElementConversion.float(half: bits)
            guard !expected.isNaN else {
                #expect(found.isNaN)
                continue
            }
            if found.bitPattern != expected.bitPattern { Issue.record("\(bits): \(found), expected \(expected)") }
        }
    }

    @Test func narrowingToFloat16RoundsTiesToEven() {
        edges({ Float(Float16(bitPattern: $0)) }) { value in
            let expected = Float16(value)
            let found = Float16(bitPattern: ElementConversion.half(value))
            let agrees = expected.isNaN ? found.isNaN : found.bitPattern == expected.bitPattern
            if !agrees { Issue.record("\(value): \(found), expected \(expected)") }
        }
    }

    @Test func narrowingToBFloat16RoundsTiesToEven() {
        func widened(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
        edges(widened) { value in
            let found = ElementConversion.bfloat16(value)
            if value.isNaN {
                if !widened(found).isNaN { Issue.record("NaN became \(widened(found))") }
                return
            }
            let below = UInt16(value.bitPattern >> 16)
            guard widened(below) != value, value.isFinite else {
                if found != below { Issue.record("\(value) is exact but became \(widened(found))") }
                return
            }
            // The step above the largest finite value counts as if it were finite (2^128).
            let above = below + 1
            let upper = widened(above).isFinite ? Double(widened(above)) : (value < 0 ? -0x1p128 : 0x1p128)
            let (toBelow, toAbove) = (abs(Double(value) - Double(widened(below))), abs(upper - Double(value)))
            let expected = toBelow < toAbove ? below : toAbove < toBelow ? above : below % 2 == 0 ? below : above
            if found != expected { Issue.record("\(value): \(found), expected \(expected)") }
        }
    }

    @Test func int8RowsEqualTheDefinition() {
        var generator = SplitMix64(seed: 8)
        for count in [1, 2, 7, 64, 333] {
            for exponent in [-140, -30, 0, 30, 120] {
                let scale = Float(sign: .plus, exponent: exponent, significand: 1)
                let row = (0..<count).map { _ in Float.random(in: -1...1, using: &generator) * scale }
                var integers = [Int8](repeating: 99, count: count)
                let found = ElementConversion.quantizeInt8(row, count: count, into: &integers)
                let expected = (row.map(abs).max() ?? 0) / 127
                #expect(found == expected)
                for index in 0..<count {
                    let quotient = min(max((row[index] / expected).rounded(.toNearestOrEven), -127), 127)
                    #expect(Float(integers[index]) == (expected == 0 ? 0 : quotient))
                }
            }
        }
    }

    @Test func int8EdgeRows() {
        var integers = [Int8](repeating: 99, count: 3)
        #expect(ElementConversion.quantizeInt8([0, -0.0, 0], count: 3, into: &integers) == 0)
        #expect(integers == [0, 0, 0])
        #expect(ElementConversion.quantizeInt8([127, 0.5, 1.5], count: 3, into: &integers) == 1)
        #expect(integers == [127, 0, 2])
        let tiny = Float.leastNonzeroMagnitude
        #expect(ElementConversion.quantizeInt8([tiny, 0, 0], count: 3, into: &integers) == 0)
        #expect(ElementConversion.quantizeInt8([190 * tiny, -190 * tiny, 0], count: 3, into: &integers) == tiny)
        #expect(integers == [127, -127, 0])
        for bad in [Float.nan, .infinity, -.infinity] {
            #expect(ElementConversion.quantizeInt8([1, bad, 2], count: 3, into: &integers) == nil)
        }
    }
}
