import CommandSupport
import Inference

/// A confusion matrix as SVG: rows are true labels, columns answers, and shades are shares of a row.
struct ConfusionDrawing {
    private static let cellSize = 56.0
    private static let fontSize = 13.0
    /// What a letter takes at most, about.
    private static let letterWidth = 7.5
    /// Longer labels are cut.
    private static let labelLength = 24

    let matrix: ConfusionMatrix

    var svg: String {
        let count = Double(matrix.labels.count)
        let labels = matrix.labels.map(Self.shortened)
        let margin = Double(labels.map(\.count).max() ?? 0) * Self.letterWidth + 24
        let side = count * Self.cellSize
        let (width, height) = (margin + side + 16, margin + side + 40)
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Self.number(width))" height="\(Self.number(height))" \
            viewBox="0 0 \(Self.number(width)) \(Self.number(height))" font-family="sans-serif" \
            font-size="\(Self.number(Self.fontSize))">
            """,
            "<title>Confusion matrix: \(matrix.exampleCount) examples, accuracy \(fixed(matrix.accuracy, digits: 4))</title>",
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
        ]
        for (row, counts) in matrix.counts.enumerated() {
            let total = counts.reduce(0, +)
            for (column, value) in counts.enumerated() {
                let share = total == 0 ? 0 : Double(value) / Double(total)
                parts += cell(
                    x: margin + Double(column) * Self.cellSize, y: margin + Double(row) * Self.cellSize, share: share,
                    text: "\(value)", title: "\(matrix.labels[row]) answered as \(matrix.labels[column]): \(value)")
            }
            let middle = margin + (Double(row) + 0.5) * Self.cellSize
            parts.append(Self.text(labels[row], x: margin - 8, y: middle + 4, anchor: "end"))
            parts.append(
                Self.text(
                    labels[row], x: middle + 4, y: margin - 8, anchor: "start",
                    further: " transform=\"rotate(-90 \(Self.number(middle + 4)) \(Self.number(margin - 8)))\""))
        }
        parts.append(
            Self.text("rows: true labels, columns: answers", x: margin, y: margin + side + 26, anchor: "start"))
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private func cell(x: Double, y: Double, share: Double, text: String, title: String) -> [String] {
        // From white to a blue that white text can be read on.
        func mixed(_ end: Double) -> Int { Int((255 + (end - 255) * share).rounded()) }
        let size = Self.number(Self.cellSize)
        return [
            "<g><title>\(Self.escaped(title))</title>",
            "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(size)\" height=\"\(size)\" "
                + "fill=\"rgb(\(mixed(8)),\(mixed(69)),\(mixed(148)))\" stroke=\"#cccccc\"/>",
            Self.text(
                text, x: x + Self.cellSize / 2, y: y + Self.cellSize / 2 + 4, anchor: "middle",
                further: share > 0.5 ? " fill=\"#ffffff\"" : ""),
            "</g>",
        ]
    }

    private static func text(
        _ text: String, x: Double, y: Double, anchor: String, further: String = ""
    ) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\"\(further)>\(escaped(text))</text>"
    }

    private static func shortened(_ label: String) -> String {
        label.count <= labelLength ? label : label.prefix(labelLength - 1) + "…"
    }

    private static func number(_ value: Double) -> String { fixed(value, digits: 1) }

    /// Text as XML holds it; control characters, which it cannot hold, are left out.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: if scalar.value >= 0x20 { result.unicodeScalars.append(scalar) }
            }
        }
        return result
    }
}
