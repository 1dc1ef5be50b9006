/// A number with exactly `digits` digits behind the point.
package func fixed(_ value: Double, digits: Int) -> String {
    let scale = (0..<digits).reduce(1.0) { product, _ in product * 10 }
    guard value.isFinite, abs(value) * scale < 1e15 else { return "\(value)" }
    let scaled = Int((abs(value) * scale).rounded())
    let (whole, part) = scaled.quotientAndRemainder(dividingBy: Int(scale))
    let fraction = digits == 0 ? "" : "." + String(repeating: "0", count: digits - "\(part)".count) + "\(part)"
    return (value < 0 && scaled > 0 ? "-" : "") + "\(whole)" + fraction
}
