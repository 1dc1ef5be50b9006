extension Text {
    /// `str.upper`, `lower`, `capitalize`, `title`, `swapcase` or `casefold`.
    func cased(_ name: String) -> Text {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(scalars.count)
        var isWordStart = true
        for (index, scalar) in scalars.enumerated() {
            switch name {
            case "upper": result += scalar.properties.uppercaseMapping.unicodeScalars
            case "lower": result += lowered(at: index)
            case "casefold": result += scalar == "ß" ? Array("ss".unicodeScalars) : lowered(at: index, isFolding: true)
            case "capitalize":
                result += index == 0 ? Array(scalar.properties.titlecaseMapping.unicodeScalars) : lowered(at: index)
            case "swapcase":
                if scalar.properties.isUppercase {
                    result += lowered(at: index)
                } else if scalar.properties.isLowercase {
                    result += scalar.properties.uppercaseMapping.unicodeScalars
                } else {
                    result.append(scalar)
                }
            default:
                result += isWordStart ? Array(scalar.properties.titlecaseMapping.unicodeScalars) : lowered(at: index)
                isWordStart = !scalar.properties.isCased
            }
        }
        return Text(result, isMarkup: isMarkup)
    }

    /// The lower case of one character; a sigma at the end of a word is another one.
    private func lowered(at index: Int, isFolding: Bool = false) -> [Unicode.Scalar] {
        let scalar = scalars[index]
        guard scalar == "Σ", !isFolding else { return Array(scalar.properties.lowercaseMapping.unicodeScalars) }
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let isFinal = before?.properties.isCased ?? false && !(after?.properties.isCased ?? false)
        return [isFinal ? "ς" : "σ"]
    }

    /// Jinja's `title` filter: words begin after white space, hyphens and opening brackets.
    var titledWords: [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var isStart = true
        for (index, scalar) in scalars.enumerated() {
            let isSeparator = scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
            if isSeparator {
                result.append(scalar)
            } else if isStart {
                result += scalar.properties.uppercaseMapping.unicodeScalars
            } else {
                result += lowered(at: index)
            }
            isStart = isSeparator
        }
        return result
    }

    /// `str.islower` and `str.isupper`.
    func isCased(lower: Bool) -> Bool {
        var hasCased = false
        for scalar in scalars {
            let properties = scalar.properties
            let isTitle = properties.generalCategory == .titlecaseLetter
            if lower ? properties.isUppercase || isTitle : properties.isLowercase || isTitle { return false }
            if lower ? properties.isLowercase : properties.isUppercase { hasCased = true }
        }
        return hasCased
    }

    /// `str.istitle`.
    var isTitle: Bool {
        var hasCased = false
        var followsCased = false
        for scalar in scalars {
            if scalar.properties.isUppercase || scalar.properties.generalCategory == .titlecaseLetter {
                if followsCased { return false }
                (followsCased, hasCased) = (true, true)
            } else if scalar.properties.isLowercase {
                if !followsCased { return false }
                (followsCased, hasCased) = (true, true)
            } else {
                followsCased = false
            }
        }
        return hasCased
    }

    /// Runs of `\w`.
    var wordCount: Int {
        var count = 0
        var isInside = false
        for scalar in scalars {
            let isWord = scalar.isPythonWord
            if isWord, !isInside { count += 1 }
            isInside = isWord
        }
        return count
    }

    /// Without the characters of `set` (white space where it is nil) at its ends.
    func stripped(by set: [Unicode.Scalar]?, left: Bool, right: Bool) -> Text {
        func isStripped(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? scalar.isPythonSpace }
        var kept = scalars[...]
        if left { kept = kept.drop(while: isStripped) }
        if right { while let last = kept.last, isStripped(last) { kept.removeLast() } }
        return Text(Array(kept), isMarkup: isMarkup)
    }

    /// `str.splitlines`.
    func lines(keepingEnds: Bool) -> [[Unicode.Scalar]] {
        var lines: [[Unicode.Scalar]] = []
        var start = 0
        var place = 0
        while place < scalars.count {
            guard scalars[place].isPythonLineBreak else {
                place += 1
                continue
            }
            let end = place
            place += scalars[place] == "\r" && place + 1 < scalars.count && scalars[place + 1] == "\n" ? 2 : 1
            lines.append(Array(scalars[start..<(keepingEnds ? place : end)]))
            start = place
        }
        if start < scalars.count { lines.append(Array(scalars[start...])) }
        return lines
    }

    /// `Markup.striptags`: without tags and comments, white space collapsed, entities resolved.
    var withoutTags: Text {
        var kept: [Unicode.Scalar] = []
        var place = 0
        while place < scalars.count {
            if scalars[place] == "<" {
                let rest = scalars[place...]
                if rest.starts(with: "<!--".unicodeScalars) {
                    var end = place + 4
                    while end < scalars.count, !scalars[end...].starts(with: "-->".unicodeScalars) { end += 1 }
                    if end < scalars.count {
                        place = end + 3
                        continue
                    }
                } else if let end = rest.firstIndex(of: ">") {
                    place = end + 1
                    continue
                }
            }
            kept.append(scalars[place])
            place += 1
        }
        var text = Text(kept).words.map { Text($0).string }.joined(separator: " ")
        for (entity, character) in [
            ("&lt;", "<"), ("&gt;", ">"), ("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&"),
        ] {
            text = text.replacing(entity, with: character)
        }
        return Text(text)
    }

    /// `str.split()`.
    var words: [[Unicode.Scalar]] { scalars.split(whereSeparator: \.isPythonSpace).map(Array.init) }
}
