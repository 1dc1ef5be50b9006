import CommandSupport
import Glibc

/// Reads a line from the terminal: arrows, history, Ctrl-A, E, K, U, W, L; a paste may hold several lines. The line
/// scrolls sideways where it is wider than the terminal.
struct LineEditor {
    private var history: [[Character]] = []

    private enum Key {
        case character(Character), enter, endOfInput, hangUp, interrupt, backspace, delete
        case left, right, up, down, home, end, killToEnd, killToStart, killWord, redraw, pasteStart, pasteEnd, other
    }

    /// The line, or nil at the end of the input.
    mutating func read(prompt: String) -> String? {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { return readLine() }
        var raw = before
        cfmakeraw(&raw)
        raw.c_oflag = before.c_oflag
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        // Bracketed paste: a newline within one is no Enter.
        emit("\u{1B}[?2004h")
        defer {
            emit("\u{1B}[?2004l")
            tcsetattr(STDIN_FILENO, TCSADRAIN, &before)
        }
        return edit(prompt)
    }

    private mutating func edit(_ prompt: String) -> String? {
        var line: [Character] = []
        var cursor = 0
        var place = history.count
        var isPasting = false
        draw(prompt, line, cursor)
        while true {
            let key = readKey()
            switch key {
            case .enter where isPasting:
                line.insert("\n", at: cursor)
                cursor += 1
            case .enter:
                draw(prompt, line, line.count)
                emit("\n")
                if !line.isEmpty, history.last != line { history.append(line) }
                return String(line)
            case .hangUp: return nil
            case .endOfInput:
                guard line.isEmpty else { continue }
                emit("\n")
                return nil
            case .interrupt:
                line = []
                cursor = 0
            case .pasteStart: isPasting = true
            case .pasteEnd: isPasting = false
            case .up, .down:
                let next = place + (isUp(key) ? -1 : 1)
                guard (0...history.count).contains(next) else { continue }
                place = next
                line = next == history.count ? [] : history[next]
                cursor = line.count
            default: LineEditor.apply(key, to: &line, &cursor)
            }
            draw(prompt, line, cursor)
        }
    }

    private func isUp(_ key: Key) -> Bool {
        if case .up = key { return true }
        return false
    }

    private static func apply(_ key: Key, to line: inout [Character], _ cursor: inout Int) {
        switch key {
        case .character(let character):
            line.insert(character, at: cursor)
            cursor += 1
        case .backspace where cursor > 0:
            cursor -= 1
            line.remove(at: cursor)
        case .delete where cursor < line.count: line.remove(at: cursor)
        case .left: cursor = max(cursor - 1, 0)
        case .right: cursor = min(cursor + 1, line.count)
        case .home: cursor = 0
        case .end: cursor = line.count
        case .killToEnd: line.removeSubrange(cursor...)
        case .killToStart:
            line.removeSubrange(..<cursor)
            cursor = 0
        case .killWord:
            var start = cursor
            while start > 0, line[start - 1] == " " { start -= 1 }
            while start > 0, line[start - 1] != " " { start -= 1 }
            line.removeSubrange(start..<cursor)
            cursor = start
        default: break
        }
    }

    // MARK: The terminal

    private func emit(_ text: String) {
        // A terminal that is gone shows nothing; reading from it ends the input.
        try? FileDescriptor(rawValue: STDOUT_FILENO).writeAll(Array(text.utf8))
    }

    private func draw(_ prompt: String, _ line: [Character], _ cursor: Int) {
        var size = winsize()
        let columns = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 8 ? Int(size.ws_col) : 80
        let room = columns - prompt.count - 1
        var start = cursor
        var width = 0
        while start > 0, width + LineEditor.width(line[start - 1]) < room {
            start -= 1
            width += LineEditor.width(line[start])
        }
        let column = prompt.count + width
        var shown = line[start..<cursor]
        for character in line[cursor...] {
            width += LineEditor.width(character)
            guard width < room else { break }
            shown.append(character)
        }
        let text = String(shown.map { $0.isNewline ? "\u{21B5}" : $0 })
        emit("\r\u{1B}[K\(prompt)\(text)\r\u{1B}[\(column)C")
    }

    /// Columns of a character: two for East Asian wide ones and emoji.
    private static func width(_ character: Character) -> Int {
        guard let value = character.unicodeScalars.first?.value else { return 0 }
        switch value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }

    private func readByte() -> UInt8? {
        var byte: UInt8 = 0
        while true {
            let count = Glibc.read(STDIN_FILENO, &byte, 1)
            if count == 1 { return byte }
            if count < 0, errno == EINTR { continue }
            return nil
        }
    }

    private func readKey() -> Key {
        guard let byte = readByte() else { return .hangUp }
        switch byte {
        case 1: return .home
        case 2: return .left
        case 3: return .interrupt
        case 4: return .endOfInput
        case 5: return .end
        case 6: return .right
        case 8, 127: return .backspace
        case 10, 13: return .enter
        case 11: return .killToEnd
        case 12: return .redraw
        case 14: return .down
        case 16: return .up
        case 21: return .killToStart
        case 23: return .killWord
        case 27: return readEscape()
        case 0..<32: return byte == 9 ? .character("\t") : .other
        default: return readCharacter(byte)
        }
    }

    private func readCharacter(_ first: UInt8) -> Key {
        var bytes = [first]
        let count = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        while bytes.count < count, let byte = readByte() { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self).first.map(Key.character) ?? .other
    }

    private func readEscape() -> Key {
        guard let kind = readByte(), kind == UInt8(ascii: "[") || kind == UInt8(ascii: "O") else { return .other }
        var parameters = ""
        while let byte = readByte() {
            let scalar = Unicode.Scalar(byte)
            guard byte >= 0x40 else {
                parameters.unicodeScalars.append(scalar)
                continue
            }
            switch (scalar, parameters) {
            case ("A", _): return .up
            case ("B", _): return .down
            case ("C", _): return .right
            case ("D", _): return .left
            case ("H", _), ("~", "1"), ("~", "7"): return .home
            case ("F", _), ("~", "4"), ("~", "8"): return .end
            case ("~", "3"): return .delete
            case ("~", "200"): return .pasteStart
            case ("~", "201"): return .pasteEnd
            default: return .other
            }
        }
        return .hangUp
    }
}
