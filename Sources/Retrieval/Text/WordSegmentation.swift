/// Words by the rules of Unicode's annex 29 for scripts that separate words, and single ideographs and kana or pairs of them.
struct WordSegmentation {
    let pairsIdeographs: Bool

    func forEachTerm(in text: String, _ body: (String) -> Void) {
        let scalars = Array(text.lowercased().unicodeScalars)
        var index = 0
        while index < scalars.count {
            if scalars[index].isIdeographOrKana {
                index = ideographs(scalars, from: index, body)
            } else if scalars[index].isLetterOrDigit {
                let end = wordEnd(scalars, from: index)
                body(string(scalars[index..<end]))
                index = end
            } else {
                index += 1
            }
        }
    }

    /// The end of the word that starts at `start`: letters, digits and their marks, and characters that join two
    /// letters or two digits.
    private func wordEnd(_ scalars: [Unicode.Scalar], from start: Int) -> Int {
        var end = start + 1
        while end < scalars.count {
            let scalar = scalars[end]
            if scalar.isIdeographOrKana { break }
            if scalar.isLetterOrDigit || scalar.isCombiningMark || scalar == "_" {
                end += 1
            } else if end + 1 < scalars.count, joins(scalars[end - 1], scalar, scalars[end + 1]) {
                end += 2
            } else {
                break
            }
        }
        return end
    }

    /// Rules WB6, WB7, WB11 and WB12: an apostrophe or full stop between letters, a separator between digits.
    private func joins(_ left: Unicode.Scalar, _ middle: Unicode.Scalar, _ right: Unicode.Scalar) -> Bool {
        let isDigit = { (scalar: Unicode.Scalar) in scalar.properties.generalCategory == .decimalNumber }
        guard left.isLetterOrDigit || left.isCombiningMark, right.isLetterOrDigit, !right.isIdeographOrKana else {
            return false
        }
        switch middle {
        case "'", "\u{2019}", ".", "\u{2024}": return isDigit(left) == isDigit(right)
        case "\u{B7}", "\u{2027}", ":": return !isDigit(left) && !isDigit(right)
        case ",", ";": return isDigit(left) && isDigit(right)
        default: return false
        }
    }

    private func ideographs(_ scalars: [Unicode.Scalar], from start: Int, _ body: (String) -> Void) -> Int {
        var end = start
        while end < scalars.count, scalars[end].isIdeographOrKana { end += 1 }
        if pairsIdeographs, end - start > 1 {
            for index in start..<end - 1 { body(string(scalars[index...index + 1])) }
        } else {
            for index in start..<end { body(string(scalars[index...index])) }
        }
        return end
    }

    private func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }
}
