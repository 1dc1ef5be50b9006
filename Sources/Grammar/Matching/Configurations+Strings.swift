/// Configurations inside JSON strings, for which the tokens that may follow are known without a walk over all of them.
extension Configurations {
    /// A place inside a JSON string where only the number of its characters matters.
    struct StringPlace {
        /// The number of characters that may follow.
        var capacity: Int32
        /// The number of characters that must follow before the string may end.
        var needed: Int32
    }

    /// The place of a configuration inside one string, or inside several that are alike.
    func stringPlace(_ configuration: Int32) -> StringPlace? {
        var result: StringPlace?
        for top in tops[Int(configuration)] {
            guard top != 0 else { return nil }
            let frame = stacks.frames[Int(top)]
            let lexeme = lexemeNumbers[Int(frame.node)]
            let capacity = lexemes[Int(lexeme)].plainCapacity[Int(frame.state)]
            guard capacity > 0 else { return nil }
            let place = StringPlace(capacity: capacity, needed: lexemes[Int(lexeme)].neededCount(frame.state))
            if let known = result, known.capacity != .max || place.capacity != .max || known.needed != place.needed {
                return nil
            }
            result = place
        }
        return result
    }

    private func contains(_ configuration: Int32, _ property: (LexemeAutomaton) -> [Bool]) -> Bool {
        tops[Int(configuration)].contains { top in
            guard top != 0 else { return false }
            let frame = stacks.frames[Int(top)]
            return property(lexemes[Int(lexemeNumbers[Int(frame.node)])])[Int(frame.state)]
        }
    }

    /// Whether most characters may follow here, and any character once a part that must not match is passed.
    func isMostlyFree(_ configuration: Int32) -> Bool { contains(configuration, \.isMostlyFree) }

    /// Whether any number of characters without escapes may follow.
    func takesPlainText(_ configuration: Int32) -> Bool { contains(configuration, \.takesPlainText) }

    /// A configuration inside a string in which anything may follow, and which most characters lead to.
    mutating func freeString(after configuration: Int32) throws(GrammarError) -> Int32? {
        for byte in "~zQ_7".utf8 {
            let next = try step(configuration, byte)
            guard next >= 0, let place = stringPlace(next) else { continue }
            if place.capacity == .max, place.needed == 0, try step(next, byte) == next { return next }
        }
        return nil
    }

    /// The configuration after the end of the strings that one is in.
    mutating func afterString(_ configuration: Int32) throws(GrammarError) -> Int32 {
        for top in tops[Int(configuration)] where top != 0 {
            schedule(.leave(frame: stacks.frames[Int(top)].parent))
        }
        return try closed()
    }

    /// Whether free text may continue.
    func isFree(_ configuration: Int32) -> Bool {
        tops[Int(configuration)].contains { top in
            top != 0 && lexemes[Int(lexemeNumbers[Int(stacks.frames[Int(top)].node)])].lexeme.isFree
        }
    }
}
