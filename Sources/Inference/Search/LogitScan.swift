/// Looks through rows of logits in blocks, of which most hold nothing of interest.
enum LogitScan {
    private typealias Lanes = SIMD16<Float>
    private static let laneCount = 16

    /// Calls `body` with every logit over a bound, in order; what it returns is the bound from there on. NaN is over no
    /// bound.
    static func forEach(
        _ logits: UnsafeBufferPointer<Float>, above bound: Float, _ body: (_ token: Int, _ logit: Float) -> Float
    ) {
        guard let first = UnsafeRawPointer(logits.baseAddress) else { return }
        var bound = bound
        let wholeCount = logits.count / laneCount * laneCount
        for start in stride(from: 0, to: wholeCount, by: laneCount) {
            let lanes = first.loadUnaligned(fromByteOffset: start &* MemoryLayout<Float>.size, as: Lanes.self)
            guard any(lanes .> bound) else { continue }
            for token in start..<start &+ laneCount where logits[token] > bound { bound = body(token, logits[token]) }
        }
        for token in wholeCount..<logits.count where logits[token] > bound { bound = body(token, logits[token]) }
    }
}
