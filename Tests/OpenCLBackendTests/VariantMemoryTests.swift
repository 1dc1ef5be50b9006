import OpenCLBackend
import TensorCore
import TestSupport
import Testing

/// The ops that move rows, heads and blocks, in both variants.
@Suite struct VariantMemoryTests {
    @Test(arguments: OpenCLDevices.variants, RopeLayout.allCases)
    func ropeAndStore(_ variant: OpenCLDevices.Variant, layout: RopeLayout) throws {
        for (headSize, rotary) in [(10, 10), (64, 64), (20, 8), (7, 0)] {
            for dtype in [DType.float32, .float16, .bfloat16] {
                try check(variant.backend(), layout: layout, headSize: headSize, rotary: rotary, dtype: dtype)
            }
        }
    }

    private func check(
        _ backend: OpenCLBackend, layout: RopeLayout, headSize: Int, rotary: Int, dtype: DType
    ) throws {
        var numbers = Numbers(seed: 5)
        let (tokens, heads, keyHeads, blocks, blockSize) = (3, 4, 2, 3, 4)
        let queries = numbers.floats(tokens * heads * headSize)
        let keys = numbers.floats(tokens * keyHeads * headSize)
        let values = numbers.floats(tokens * keyHeads * headSize)
        let table = numbers.floats(8 * rotary)
        let positions: [Int32] = [7, 0, 3]
        let slots: [Int32] = [11, 0, 6]
        let rope = RopeArguments(
            table: try backend.makeTensor(table, [8, 2, rotary / 2]),
            positions: try backend.makeTensor(positions, [tokens]), rotarySize: rotary, layout: layout)
        let query = try backend.makeTensor(queries, [tokens, heads * headSize])
        let key = try backend.makeTensor(keys, [tokens, keyHeads * headSize])
        let value = try backend.makeTensor(values, [tokens, keyHeads * headSize])
        let shape: Shape = [blocks, keyHeads, blockSize, headSize]
        let cache = KVCacheLayer(
            keys: try backend.makeTensor(dtype, shape), values: try backend.makeTensor(dtype, shape))
        let zeros = [UInt8](repeating: 0, count: cache.keys.byteCount)
        try zeros.withUnsafeBytes { bytes in
            try backend.write(bytes, to: cache.keys)
            try backend.write(bytes, to: cache.values)
        }
        try backend.storeKeyValue(
            query: query, key: key, value: value, slots: try backend.makeTensor(slots, [tokens]), into: cache,
            rope: rope)

        func rotated(_ rows: [Float], heads: Int) -> [Float] {
            var rows = rows
            for token in 0..<tokens {
                for head in 0..<heads {
                    let start = (token * heads + head) * headSize
                    for pair in 0..<rotary / 2 {
                        let i = start + (layout == .interleaved ? 2 * pair : pair)
                        let j = start + (layout == .interleaved ? 2 * pair + 1 : pair + rotary / 2)
                        let cosine = table[Int(positions[token]) * rotary + pair]
                        let sine = table[Int(positions[token]) * rotary + rotary / 2 + pair]
                        (rows[i], rows[j]) = (
                            rows[i] * cosine - rows[j] * sine, rows[j] * cosine + rows[i] * sine
                        )
                    }
                }
            }
            return rows
        }
        func cached(_ rows: [Float]) -> [Double] {
            var cache = [Double](repeating: 0, count: blocks * keyHeads * blockSize * headSize)
            for token in 0..<tokens {
                let (block, offset) = Int(slots[token]).quotientAndRemainder(dividingBy: blockSize)
                for head in 0..<keyHeads {
                    for element in 0..<headSize {
                        cache[((block * keyHeads + head) * blockSize + offset) * headSize + element] = Double(
                            rows[(token * keyHeads + head) * headSize + element])
                    }
                }
            }
            return cache
        }
        let tolerance = dtype == .float32 ? 1e-13 : dtype == .float16 ? 1e-7 : 1e-5
        let rotatedQueries = rotated(queries, heads: heads)
        #expect(normalizedError(try backend.readFloats(query), rotatedQueries.map(Double.init)) < 1e-13)
        #expect(normalizedError(try floats(backend, cache.keys), cached(rotated(keys, heads: keyHeads))) < tolerance)
        #expect(normalizedError(try floats(backend, cache.values), cached(values)) < tolerance)
        if rotary > 0 {
            try backend.rope(key, headSize: headSize, rope)
            let expected = rotated(keys, heads: keyHeads).map(Double.init)
            #expect(normalizedError(try backend.readFloats(key), expected) < 1e-13)
        }
        let before = try floats(backend, cache.keys)
        try backend.copyBlocks(try backend.makeTensor([Int32(2), 1], [1, 2]), in: cache)
        let block = keyHeads * blockSize * headSize
        let after = try floats(backend, cache.keys)
        #expect(after[..<block] == before[..<block] && after[block..<2 * block] == before[(2 * block)...])
    }

    private func floats(_ backend: OpenCLBackend, _ tensor: Tensor) throws -> [Float] {
        guard tensor.dtype != .float32 else { return try backend.readFloats(tensor) }
        var words = [UInt16](repeating: 0, count: tensor.shape.elementCount)
        try words.withUnsafeMutableBytes { try backend.read(tensor, into: $0) }
        return words.map {
            tensor.dtype == .float16 ? Float(Float16(bitPattern: $0)) : Float(bitPattern: UInt32($0) << 16)
        }
    }

    @Test(arguments: OpenCLDevices.variants, WeightFormat.elementwise)
    func embedding(_ variant: OpenCLDevices.Variant, format: WeightFormat) throws {
        let backend = try variant.backend()
        for columns in [1, 16, 37] {
            var numbers = Numbers(seed: 6)
            let rows = 9
            let scales = numbers.floats(rows)
            let memory = HostAllocation(byteCount: rows * columns * format.blockByteCount + 1_024)
            // Off the page's start, as weights in a mapped file are.
            let start = 20
            var expected: [[Float]] = []
            for row in 0..<rows {
                expected.append(
                    (0..<columns).map { column in
                        let value = numbers.next()
                        let place = start + (row * columns + column) * format.blockByteCount
                        return store(value, format, scale: scales[row], to: memory.pointer, at: place)
                    })
            }
            let source = weight(memory, start: start, rows: rows, columns: columns, format: format, scales: scales)
            let table = try backend.prepare(source)
            let ids: [Int32] = [8, 0, 3, 4, 3]
            let output = try backend.makeTensor([Float](repeating: 1, count: 5 * columns), [5, columns])
            let idTensor = try backend.makeTensor(ids, [5])
            try backend.embed(idTensor, table, accumulate: true, into: output)
            #expect(try backend.readFloats(output) == ids.flatMap { expected[Int($0)].map { $0 + 1 } })
            try backend.embed(idTensor, table, accumulate: false, into: output)
            #expect(try backend.readFloats(output) == ids.flatMap { expected[Int($0)] })
            let picked = try backend.makeTensor(.float32, [2, columns])
            try backend.gatherRows(output, rows: try backend.makeTensor([Int32(4), 1], [2]), into: picked)
            #expect(try backend.readFloats(picked) == expected[3] + expected[0])
        }
    }

    /// Two parts of 4 and the rest of the rows.
    private func weight(
        _ memory: HostAllocation, start: Int, rows: Int, columns: Int, format: WeightFormat, scales: [Float]
    ) -> WeightSource {
        let rowBytes = columns * format.blockByteCount
        func part(_ range: Range<Int>) -> WeightPart {
            let byteRange = start + range.lowerBound * rowBytes..<start + range.upperBound * rowBytes
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.pointer)[byteRange])
            var scaleBytes: HostBytes?
            if format == .int8 {
                let allocation = HostAllocation(byteCount: range.count * 4)
                allocation.pointer.copyBytes(from: scales[range].withUnsafeBytes { Array($0) })
                scaleBytes = allocation.bytes
            }
            return WeightPart(
                rows: range.count, bytes: HostBytes(owner: memory, pointer: bytes), scales: scaleBytes)
        }
        return WeightSource(name: "table", format: format, columns: columns, parts: [part(0..<4), part(4..<rows)])
    }

    /// Stores `value` in `format` and returns what it became.
    private func store(
        _ value: Float, _ format: WeightFormat, scale: Float, to memory: UnsafeMutableRawBufferPointer, at place: Int
    ) -> Float {
        switch format {
        case .float32:
            memory.storeBytes(of: value, toByteOffset: place, as: Float.self)
            return value
        case .float16:
            memory.storeBytes(of: Float16(value), toByteOffset: place, as: Float16.self)
            return Float(Float16(value))
        case .bfloat16:
            let word = UInt16(value.bitPattern >> 16)
            memory.storeBytes(of: word, toByteOffset: place, as: UInt16.self)
            return Float(bitPattern: UInt32(word) << 16)
        case .int8:
            let level = Int8(value * 127)
            memory.storeBytes(of: level, toByteOffset: place, as: Int8.self)
            return Float(level) * scale
        default: preconditionFailure("blocks are not stored one value at a time")
        }
    }
}
