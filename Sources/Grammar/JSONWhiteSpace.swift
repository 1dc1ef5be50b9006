/// The white space that JSON may have between its tokens.
package enum JSONWhiteSpace: Sendable {
    /// Any, at most 160 characters in a row: what texts of others may hold.
    case any
    /// None or a blank: what a model may write. Models that are unsure tend to fill lines with nothing where they may, up
    /// to the end of the longest indentation.
    case tidy

    static let limit = 160
}

extension NFABuilder {
    /// White space, and then a byte, or nothing.
    mutating func add(_ whiteSpace: JSONWhiteSpace?, from: Int32, then byte: UInt8?, to: Int32) throws(GrammarError) {
        func end(_ state: Int32) {
            if let byte { add(state, byte, to) } else { link(state, to) }
        }
        end(from)
        switch whiteSpace {
        case .any:
            var current = from
            for _ in 0..<JSONWhiteSpace.limit {
                let next = try state()
                for space: UInt8 in [0x20, 0x09, 0x0A, 0x0D] { add(current, space, next) }
                end(next)
                current = next
            }
        case .tidy:
            let blank = try state()
            add(from, 0x20, blank)
            end(blank)
        case nil: break
        }
    }
}
