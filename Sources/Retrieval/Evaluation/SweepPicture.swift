import Foundation

/// Draws quality against time: a mark for each setting, nDCG upwards with its interval, time to the right on a
/// logarithmic axis.
public struct SweepPicture {
    private static let (width, height) = (860.0, 520.0)
    private static let (left, right, top, bottom) = (70.0, 240.0, 50.0, 60.0)
    private static let colors = [
        "#0b6e99", "#c2410c", "#15803d", "#7c3aed", "#b91c1c", "#a16207", "#0f766e", "#be185d",
    ]

    private let results: [SweepResult]
    private let times: ClosedRange<Double>
    private let values: ClosedRange<Double>

    /// - Precondition: there is a result.
    public init(_ results: [SweepResult]) {
        precondition(!results.isEmpty, "a picture of no results")
        self.results = results
        let exponents = results.map { log10(max($0.secondsPerQuery, 1e-7) * 1000) }
        let low = (exponents.min() ?? 0).rounded(.down)
        times = low...max((exponents.max() ?? 1).rounded(.up), low + 1)
        let intervals = results.map { $0.interval(\.ndcg) }
        let least = ((intervals.map(\.lowerBound).min() ?? 0) * 20).rounded(.down) / 20
        values = least...max(((intervals.map(\.upperBound).max() ?? 1) * 20).rounded(.up) / 20, least + 0.05)
    }

    public func svg(title: String) -> String {
        var svg = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(Self.width))" height="\(Int(Self.height))" \
            viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" font-family="sans-serif" font-size="13">
            <rect width="100%" height="100%" fill="#ffffff"/>
            \(text(Self.left, 26, title, "font-size=\"16\" font-weight=\"bold\""))

            """
        svg += axes()
        for (index, result) in results.enumerated() { svg += mark(result, index: index) }
        return svg + "</svg>\n"
    }

    private func axes() -> String {
        var svg = ""
        let (bottom, right) = (Self.height - Self.bottom, Self.width - Self.right)
        for exponent in Int(times.lowerBound)...Int(times.upperBound) {
            let x = place(time: Double(exponent))
            svg += line(x, Self.top, x, bottom, "stroke=\"#dddddd\"")
            let label =
                exponent < 0
                ? String(format: "%.\(-exponent)f", pow(10, Double(exponent)))
                : "1" + String(repeating: "0", count: exponent)
            svg += text(x, bottom + 20, label, "text-anchor=\"middle\"")
        }
        let step = values.upperBound - values.lowerBound > 0.4 ? 0.1 : 0.05
        var value = values.lowerBound
        while value <= values.upperBound + 1e-9 {
            let y = place(value: value)
            svg += line(Self.left, y, right, y, "stroke=\"#dddddd\"")
            svg += text(Self.left - 8, y + 4, String(format: "%.2f", value), "text-anchor=\"end\"")
            value += step
        }
        svg += line(Self.left, bottom, right, bottom, "stroke=\"#333333\"")
        svg += line(Self.left, Self.top, Self.left, bottom, "stroke=\"#333333\"")
        svg += text((Self.left + right) / 2, bottom + 42, "milliseconds a query", "text-anchor=\"middle\"")
        svg += text(Self.left, Self.top - 8, "nDCG, with its 95 % interval", "text-anchor=\"start\"")
        return svg
    }

    private func mark(_ result: SweepResult, index: Int) -> String {
        let color = Self.colors[index % Self.colors.count]
        let x = place(time: log10(max(result.secondsPerQuery, 1e-7) * 1000))
        let interval = result.interval(\.ndcg)
        let y = place(value: result.evaluation.mean.ndcg)
        let stroke = "stroke=\"\(color)\" stroke-width=\"1.5\""
        var svg = line(x, place(value: interval.lowerBound), x, place(value: interval.upperBound), stroke)
        svg += "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"5\" fill=\"\(color)\"/>\n"
        let legend = Self.top + 20 * Double(index)
        svg +=
            "<circle cx=\"\(number(Self.width - Self.right + 22))\" cy=\"\(number(legend))\" r=\"5\" fill=\"\(color)\"/>\n"
        let label = result.point.label.isEmpty ? result.point.options.mode.rawValue : result.point.label
        return svg
            + text(
                Self.width - Self.right + 34, legend + 4,
                "\(label): \(String(format: "%.3f", result.evaluation.mean.ndcg))", "text-anchor=\"start\"")
    }

    private func place(time exponent: Double) -> Double {
        let share = (exponent - times.lowerBound) / (times.upperBound - times.lowerBound)
        return Self.left + share * (Self.width - Self.left - Self.right)
    }

    private func place(value: Double) -> Double {
        let share = (value - values.lowerBound) / (values.upperBound - values.lowerBound)
        return Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom)
    }

    private func number(_ value: Double) -> String { String(format: "%.1f", value) }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) -> String {
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" \(style)/>\n"
    }

    private func text(_ x: Double, _ y: Double, _ text: String, _ style: String) -> String {
        let escaped = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        return "<text x=\"\(number(x))\" y=\"\(number(y))\" \(style)>\(escaped)</text>\n"
    }
}
