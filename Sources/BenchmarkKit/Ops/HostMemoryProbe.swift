import Dispatch
import Foundation
import Inference
internal import TensorCore

/// What the processor's memory gives to plain loops, whatever this engine's kernels do.
struct HostMemoryProbe {
    private let threadCount: Int
    private let source: HostAllocation
    private let target: HostAllocation

    /// - Parameter byteCount: of the two pieces of memory together; far past the caches, since a pass may read one alone.
    init(threadCount: Int, byteCount: Int) {
        self.threadCount = threadCount
        source = HostAllocation(byteCount: byteCount / 2 / (threadCount * 256) * threadCount * 256)
        target = HostAllocation(byteCount: source.pointer.count)
        RandomWeight.fill(source, format: .float32, scale: 1, seed: 5)
        RandomWeight.fill(target, format: .float32, scale: 1, seed: 6)
    }

    /// The best of several passes, bytes that were read a second.
    func readBytesPerSecond() -> Double {
        best(bytesOfAPass: source.pointer.count) { range in
            let words = UnsafeRawBufferPointer(rebasing: source.pointer[range]).bindMemory(to: SIMD16<UInt32>.self)
            var (a, b) = (SIMD16<UInt32>(), SIMD16<UInt32>())
            var index = 0
            while index + 4 <= words.count {
                a ^= words[index] ^ words[index + 1]
                b ^= words[index + 2] ^ words[index + 3]
                index += 4
            }
            // The sum is stored, or the loop would be removed.
            target.pointer.storeBytes(of: a ^ b, toByteOffset: range.lowerBound, as: SIMD16<UInt32>.self)
        }
    }

    /// The best of several passes of `memcpy`, bytes read and bytes written a second, as STREAM counts a copy.
    func copyBytesPerSecond() -> Double {
        best(bytesOfAPass: 2 * source.pointer.count) { range in
            guard let from = source.pointer.baseAddress, let to = target.pointer.baseAddress else { return }
            memcpy(to + range.lowerBound, from + range.lowerBound, range.count)
        }
    }

    private func best(bytesOfAPass: Int, _ body: @Sendable (Range<Int>) -> Void) -> Double {
        let pieceSize = source.pointer.count / threadCount
        var best = Double.infinity
        for _ in 0..<7 {
            let start = ContinuousClock.now
            DispatchQueue.concurrentPerform(iterations: threadCount) { thread in
                body(thread * pieceSize..<(thread + 1) * pieceSize)
            }
            best = min(best, (ContinuousClock.now - start).seconds)
        }
        return Double(bytesOfAPass) / best
    }
}
