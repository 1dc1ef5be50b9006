import KVCache
import TensorCore
import Testing

private final class Memory: DeviceBuffer {
    let byteCount: Int
    init(byteCount: Int) { self.byteCount = byteCount }
}

private func unused() -> BackendError { .unsupported(op: "any", reason: "this backend only allocates") }

/// A backend that allocates up to a limit and computes nothing.
// SAFETY: used by one thread only.
private final class AllocatingBackend: Backend, @unchecked Sendable {
    let capabilities = BackendCapabilities(maxTopK: 1, maxHeadSize: 256)
    let summary = "allocator"
    let limit: Int
    private(set) var counters = BackendCounters()

    init(limit: Int) { self.limit = limit }

    func makeBuffer(byteCount: Int) throws -> any DeviceBuffer {
        guard byteCount <= limit else {
            throw BackendError.outOfMemory(requestedByteCount: byteCount, device: summary)
        }
        counters.allocations += 1
        return Memory(byteCount: byteCount)
    }

    func prepare(_: WeightSource, precision: MatmulPrecision) throws -> any Weight { throw unused() }
    func reserve(_: ExecutionLimits) throws { throw unused() }
    func write(_: UnsafeRawBufferPointer, to _: Tensor) throws { throw unused() }
    func read(_: [HostTransfer]) throws { throw unused() }
    func synchronize() throws {}
    func setProfiling(_: Bool) {}
    func profile() throws -> [ProfileEntry] { [] }
    func matmul(_: Tensor, _: any Weight, into _: Tensor, epilogue _: MatmulEpilogue) throws { throw unused() }
    func rmsNorm(
        _: Tensor, residual _: Tensor?, sum _: Tensor?, weight _: Tensor, epsilon _: Float, into _: Tensor
    ) throws { throw unused() }
    func layerNorm(
        _: Tensor, residual _: Tensor?, sum _: Tensor?, weight _: Tensor, bias _: Tensor?, epsilon _: Float,
        into _: Tensor
    ) throws { throw unused() }
    func rmsNormHeads(_: Tensor, headSize _: Int, weight _: Tensor, epsilon _: Float) throws { throw unused() }
    func activate(_: Tensor, _: Activation, into _: Tensor) throws { throw unused() }
    func multiply(_: Tensor, _: Tensor, into _: Tensor) throws { throw unused() }
    func softCap(_: Tensor, cap _: Float, into _: Tensor) throws { throw unused() }
    func softmax(_: Tensor, scale _: Float, into _: Tensor) throws { throw unused() }
    func rope(_: Tensor, headSize _: Int, _: RopeArguments) throws { throw unused() }
    func embed(_: Tensor, _: any Weight, scale _: Float, accumulate _: Bool, into _: Tensor) throws { throw unused() }
    func gatherRows(_: Tensor, rows _: Tensor, into _: Tensor) throws { throw unused() }
    func prepareIndexed(_: [WeightSource], precision _: MatmulPrecision) throws -> any IndexedWeights {
        throw unused()
    }
    func matmulIndexed(
        _: Tensor, _: any IndexedWeights, indices _: Tensor, activation _: Activation?, isGated _: Bool, into _: Tensor
    ) throws { throw unused() }
    func combineExperts(_: Tensor, weights _: Tensor, residual _: Tensor?, into _: Tensor) throws { throw unused() }
    func scaleChannels(_: Tensor, by _: Tensor, into _: Tensor) throws { throw unused() }
    func resize(
        _: Tensor, imageCount _: Int, image _: Extent2D, grid _: Extent2D, interpolation _: ImageInterpolation,
        into _: Tensor
    ) throws { throw unused() }
    func pixelShuffle(_: Tensor, imageCount _: Int, image _: Extent2D, factor _: Int, into _: Tensor) throws {
        throw unused()
    }
    func unfold(_: Tensor, window _: ImageWindow, rows _: Range<Int>, into _: Tensor) throws { throw unused() }
    func fold(
        _: Tensor, window _: ImageWindow, bias _: Tensor?, activation _: Activation?, into _: Tensor
    ) throws { throw unused() }
    func convolveDepthwise(
        _: Tensor, weight _: Tensor, window _: ImageWindow, bias _: Tensor?, activation _: Activation?, into _: Tensor
    ) throws { throw unused() }
    func maxPool(_: Tensor, window _: ImageWindow, into _: Tensor) throws { throw unused() }
    func averagePool(_: Tensor, window _: ImageWindow, countsPadding _: Bool, into _: Tensor) throws { throw unused() }
    func adaptiveAveragePool(
        _: Tensor, imageCount _: Int, image _: Extent2D, grid _: Extent2D, into _: Tensor
    ) throws { throw unused() }
    func localResponseNorm(
        _: Tensor, size _: Int, alpha _: Float, beta _: Float, k _: Float, into _: Tensor
    ) throws { throw unused() }
    func responseGains(
        _: Tensor, pixelCount _: Int, weight _: Tensor, epsilon _: Float, into _: Tensor
    ) throws { throw unused() }
    func attention(
        query _: Tensor, cache _: KVCacheLayer, batch _: AttentionBatch, parameters _: AttentionParameters,
        into _: Tensor
    ) throws { throw unused() }
    func encoderAttention(
        query _: Tensor, key _: Tensor, value _: Tensor, batch _: EncoderAttentionBatch,
        parameters _: EncoderAttentionParameters, bias _: RelativePositionBias?, relative _: RelativeScores?,
        into _: Tensor
    ) throws { throw unused() }
    func storeKeyValue(
        query _: Tensor?, key _: Tensor, value _: Tensor, slots _: Tensor, into _: KVCacheLayer, rope _: RopeArguments?
    ) throws { throw unused() }
    func copyBlocks(_: Tensor, in _: KVCacheLayer) throws { throw unused() }
    func argmax(_: Tensor, into _: Tensor) throws { throw unused() }
    func topK(_: Tensor, count _: Int, values _: Tensor, indices _: Tensor) throws { throw unused() }
}

@Suite struct KVCacheStorageTests {
    @Test func layersShareOneAllocationWithoutOverlap() throws {
        let backend = AllocatingBackend(limit: 1 << 20)
        let shape = KVCacheShape(layerCount: 3, blockCount: 5, headCount: 2, headSize: 10, dtype: .float16)
        let storage = try KVCacheStorage(shape, on: backend)
        #expect(backend.counters.allocations == 1)
        #expect(storage.layers.count == 3)
        var ends: [Int] = []
        for layer in storage.layers {
            #expect(layer.blockCount == 5 && layer.headCount == 2)
            #expect(layer.blockSizeInTokens == 16 && layer.headSize == 10 && layer.dtype == .float16)
            for tensor in [layer.keys, layer.values] {
                #expect(tensor.byteOffset % WorkspacePlan.alignment == 0)
                #expect(tensor.byteOffset >= ends.last ?? 0)
                ends.append(tensor.byteOffset + tensor.byteCount)
            }
        }
        #expect(try ends[5] <= shape.byteCount() && shape.byteCount() == 6 * 3328)
    }

    @Test func int8TakesHalfOfSixteenBitsAndItsScales() throws {
        let backend = AllocatingBackend(limit: 1 << 20)
        var shape = KVCacheShape(layerCount: 2, blockCount: 8, headCount: 2, headSize: 64, dtype: .bfloat16)
        let half = try shape.byteCount() / 2
        shape.dtype = .int8
        #expect(try shape.byteCount() == half + 2 * 2 * 8 * 2 * 16 * 4)
        let storage = try KVCacheStorage(shape, on: backend)
        var end = 0
        for layer in storage.layers {
            let scales = [try #require(layer.keyScales), try #require(layer.valueScales)]
            for tensor in [layer.keys, layer.values] + scales {
                #expect(tensor.byteOffset % WorkspacePlan.alignment == 0 && tensor.byteOffset >= end)
                end = tensor.byteOffset + tensor.byteCount
            }
            #expect(scales.allSatisfy { $0.dtype == .float32 && $0.shape == [8, 2, 16] })
        }
        #expect(end == (try shape.byteCount()))
    }

    @Test func hugeAndEmptySizesAreErrors() {
        let backend = AllocatingBackend(limit: 1000)
        for shape in [
            KVCacheShape(layerCount: 1, blockCount: 0, headCount: 1, headSize: 1),
            KVCacheShape(layerCount: 1, blockCount: 1, headCount: -1, headSize: 1),
            KVCacheShape(layerCount: 1, blockCount: 1, headCount: 1, headSize: 1, dtype: .int32),
            KVCacheShape(layerCount: 1, blockCount: 1 << 40, headCount: 1, headSize: 1),
            KVCacheShape(layerCount: 1, blockCount: 1 << 20, headCount: 1 << 30, headSize: 1 << 30),
            KVCacheShape(layerCount: .max, blockCount: 1, headCount: 1, headSize: 1),
        ] {
            #expect(throws: KVCacheError.self) { try KVCacheStorage(shape, on: backend) }
        }
        let large = KVCacheShape(layerCount: 1, blockCount: 100, headCount: 1, headSize: 1)
        #expect(throws: BackendError.self) { try KVCacheStorage(large, on: backend) }
    }

    @Test func blocksFittingABudget() throws {
        var shape = KVCacheShape(layerCount: 2, blockCount: 1, headCount: 4, headSize: 64)
        let count = shape.blocks(fitting: 10 << 20)
        shape.blockCount = count
        #expect(try shape.byteCount() <= 10 << 20)
        shape.blockCount = count + 1
        #expect(try shape.byteCount() > 10 << 20)
        #expect(shape.blocks(fitting: 100) == 0 && shape.blocks(fitting: -1) == 0)
    }
}
