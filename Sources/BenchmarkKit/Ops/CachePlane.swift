internal import ModelIO
internal import OpCases
internal import TensorCore

/// The keys, or the values, of one layer's paged cache, random, on the host.
///
/// Legend: `B` blocks, `KH` heads, `L` tokens a block, `D` elements a head.
struct CachePlane {
    static let blockSize = 16

    let dtype: DType
    /// `[B, KH, L, D]`.
    let shape: Shape
    private let bytes: HostAllocation
    /// `[B, KH, L]`, only for int8.
    private let scales: [Float]?

    init(_ dtype: DType, blockCount: Int, headCount: Int, headSize: Int, seed: UInt64) {
        self.dtype = dtype
        shape = [blockCount, headCount, CachePlane.blockSize, headSize]
        bytes = HostAllocation(byteCount: shape.elementCount * dtype.byteCount)
        let format: WeightFormat =
            switch dtype {
            case .float16: .float16
            case .bfloat16: .bfloat16
            case .int8: .int8
            default: .float32
            }
        RandomWeight.fill(bytes, format: format, scale: 1, seed: seed)
        var random = SplitMix64(seed: seed)
        scales =
            dtype == .int8
            ? (0..<shape.elementCount / headSize).map { _ in Float(0.5 + random.unit() / 2) / 127 } : nil
    }

    /// One block of a cache on a device. Blocks.
    init(reading elements: Tensor, _ scales: Tensor?, block: Int, on backend: any Backend) throws {
        dtype = elements.dtype
        shape = [1, elements.shape[1], elements.shape[2], elements.shape[3]]
        bytes = HostAllocation(byteCount: shape.elementCount * dtype.byteCount)
        try backend.read(elements.rows(block..<block + 1), into: bytes.pointer)
        self.scales = try scales.map { try backend.readFloats($0.rows(block..<block + 1)) }
    }

    /// On the device: the elements, and the scales where there are any.
    func makeTensors(on backend: any Backend) throws -> (elements: Tensor, scales: Tensor?) {
        let elements = try backend.makeTensor(dtype, shape)
        try backend.write(UnsafeRawBufferPointer(bytes.pointer), to: elements)
        return (elements, try scales.map { try backend.makeTensor($0, [shape[0], shape[1], shape[2]]) })
    }

    /// One token's elements of one head.
    func row(block: Int, offset: Int, head: Int) -> [Float] {
        let (index, size) = ((block * shape[1] + head) * shape[2] + offset, shape[3])
        if let scales {
            let levels = UnsafeRawBufferPointer(bytes.pointer)
            return (0..<size).map {
                scales[index] * Float(levels.load(fromByteOffset: index * size + $0, as: Int8.self))
            }
        }
        return [Float](unsafeUninitializedCapacity: size) { buffer, initialized in
            guard let output = buffer.baseAddress, let start = bytes.pointer.baseAddress
            else { return }
            _ = ElementConversion.decode(
                start + index * size * dtype.byteCount, StoredType(dtype), count: size, into: output)
            initialized = size
        }
    }
}

extension KVCacheLayer {
    /// Random keys and values on a device.
    init(keys: CachePlane, values: CachePlane, on backend: any Backend) throws {
        let (keys, values) = (try keys.makeTensors(on: backend), try values.makeTensors(on: backend))
        self.init(
            keys: keys.elements, values: values.elements, keyScales: keys.scales, valueScales: values.scales)
    }
}

extension ModelShape {
    /// Bytes of the keys and values of one layer.
    func cacheByteCount(tokenCount: Int, _ dtype: DType) -> Int {
        2 * tokenCount * keyValueHeadCount * KVCacheLayer.rowByteCount(dtype, headSize: headSize)
    }

    /// Bytes that storing them moves: FP32 keys and values and the slots are read.
    func storedByteCount(tokenCount: Int, _ dtype: DType) -> Int {
        tokenCount * (2 * 4 * keyValueHeadCount * headSize + 4) + cacheByteCount(tokenCount: tokenCount, dtype)
    }
}
