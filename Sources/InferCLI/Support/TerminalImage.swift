import Foundation
import Images

/// An image on a terminal: as kitty or iTerm draws it where they are there, else two pixels a character.
struct TerminalImage {
    enum Form {
        case kitty
        case iTerm
        case halfBlocks
    }

    let image: PixelImage

    /// What the terminal can do, as its variables say.
    static func form(_ environment: [String: String]) -> Form {
        if environment["KITTY_WINDOW_ID"]?.isEmpty == false || environment["TERM"] == "xterm-kitty"
            || environment["TERM_PROGRAM"] == "ghostty"
        {
            return .kitty
        }
        return ["iTerm.app", "WezTerm"].contains(environment["TERM_PROGRAM"] ?? "") ? .iTerm : .halfBlocks
    }

    /// The characters that draw it.
    /// - Parameter width: columns of the terminal; wider images are made smaller for half blocks.
    /// - Throws: `ImageError`.
    func text(_ form: Form, width: Int) throws -> String {
        switch form {
        case .kitty: return try kitty()
        case .iTerm:
            let png = Data(try image.png(path: "preview"))
            return "\u{1B}]1337;File=inline=1;size=\(png.count):\(png.base64EncodedString())\u{07}\n"
        case .halfBlocks: return halfBlocks(width: max(width, 1))
        }
    }

    /// The graphics protocol of kitty: a PNG file in pieces of 4,096 characters.
    private func kitty() throws -> String {
        let text = Array(Data(try image.png(path: "preview")).base64EncodedString().utf8)
        var result = ""
        for start in stride(from: 0, to: text.count, by: 4096) {
            let piece = text[start..<min(start + 4096, text.count)]
            let more = piece.endIndex < text.count ? 1 : 0
            let keys = start == 0 ? "a=T,f=100,m=\(more)" : "m=\(more)"
            result += "\u{1B}_G\(keys);\(String(decoding: piece, as: UTF8.self))\u{1B}\\"
        }
        return result + "\n"
    }

    /// The upper half of a character is one pixel, its background the one below.
    private func halfBlocks(width: Int) -> String {
        var shown = image.rgb
        if shown.width > width {
            let height = max(shown.height * width / shown.width, 1)
            shown = shown.resized(width: width, height: height, filter: .bilinear)
        }
        func colour(_ x: Int, _ y: Int) -> String {
            let start = (y * shown.width + x) * 3
            return shown.bytes[start..<start + 3].map(String.init).joined(separator: ";")
        }
        var result = ""
        for y in stride(from: 0, to: shown.height, by: 2) {
            for x in 0..<shown.width {
                result += "\u{1B}[38;2;\(colour(x, y))m"
                if y + 1 < shown.height { result += "\u{1B}[48;2;\(colour(x, y + 1))m" }
                result += "\u{2580}"
            }
            result += "\u{1B}[0m\n"
        }
        return result
    }
}
