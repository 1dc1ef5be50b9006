/// A parser that goes through a text one Unicode scalar at a time.
protocol ScalarParser {
    var scalars: [Unicode.Scalar] { get }
    /// The index of the next scalar.
    var position: Int { get set }
    /// The largest number that a repetition may have.
    static var maximumRepetition: Int { get }
}

extension ScalarParser {
    var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    /// Steps over a scalar.
    /// - Returns: whether it comes next; where not, the position stays.
    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    /// Steps over a text.
    /// - Returns: whether it comes next; where not, the position stays.
    mutating func takeText(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard scalars[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    /// The number of a repetition in decimal digits; `nil` where no digit comes next.
    /// - Throws: ``GrammarError/tooComplex(what:limit:)`` where it exceeds ``maximumRepetition``.
    mutating func repetitionCount() throws(GrammarError) -> Int? {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            let number = (value ?? 0) * 10 + Int(scalar.value - 48)
            guard number <= Self.maximumRepetition else {
                throw .tooComplex(what: "repetitions", limit: Self.maximumRepetition)
            }
            value = number
            position += 1
        }
        return value
    }
}
