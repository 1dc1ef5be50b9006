import CommandSupport
import Glibc
import Inference
import Models
import TensorCore

/// Times passes of random pixels through a network of images.
struct ImagesMeasurement {
    let pass: VisionPass

    struct Result {
        /// Of each pass.
        var seconds: SampleStatistics
        /// Of all threads, for one image.
        var processorSeconds: Double
    }

    func pass(imageCount: Int) throws { try run(pixels(imageCount), imageCount) }

    /// Passes for about so long, and three at least, behind one that warms up.
    func measure(imageCount: Int, seconds: Double) throws -> Result {
        let values = pixels(imageCount)
        try run(values, imageCount)
        var samples: [Double] = []
        let (started, used) = (ContinuousClock.now, Self.processorSeconds())
        while samples.count < 3 || (ContinuousClock.now - started).seconds < seconds {
            let begin = ContinuousClock.now
            try run(values, imageCount)
            samples.append((ContinuousClock.now - begin).seconds)
        }
        let spent = Self.processorSeconds() - used
        return Result(
            seconds: SampleStatistics(samples), processorSeconds: spent / Double(samples.count * imageCount))
    }

    private func run(_ values: [Float], _ imageCount: Int) throws {
        let description = pass.description
        _ = try pass.run(
            values, imageCount: imageCount, channels: description.channelCount, size: description.usualSize)
    }

    private func pixels(_ imageCount: Int) -> [Float] {
        let description = pass.description
        var random = SplitMix64(seed: 5)
        let count = imageCount * description.channelCount * description.usualSize.pixelCount
        return (0..<count).map { _ in random.float(scale: 2) }
    }

    private static func processorSeconds() -> Double {
        var usage = rusage()
        guard getrusage(0, &usage) == 0 else { return 0 }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}
