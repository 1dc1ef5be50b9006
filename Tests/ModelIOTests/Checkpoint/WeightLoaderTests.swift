import ModelIO
import TensorCore
import TestSupport
import Testing

@Suite struct WeightLoaderTests {
    /// A matrix of random values in a stored type, as a tensor at any alignment.
    private struct Matrix {
        let tensor: StoredTensor
        let values: [Float]

        init(_ type: StoredType, _ shape: [Int], misalignment: Int = 0, seed: UInt64) {
            var generator = SplitMix64(seed: seed)
            let count = shape.reduce(1, *)
            let memory = HostAllocation(byteCount: count * type.blockByteCount + misalignment)
            var values: [Float] = []
            for index in 0..<count {
                let value = Float.random(in: -3...3, using: &generator)
                let offset = misalignment + index * type.blockByteCount
                switch type {
                case .float64: memory.pointer.storeBytes(of: Double(value), toByteOffset: offset, as: Double.self)
                case .float32: memory.pointer.storeBytes(of: value, toByteOffset: offset, as: Float.self)
                case .float16:
                    memory.pointer.storeBytes(of: Float16(value), toByteOffset: offset, as: Float16.self)
                default:
                    memory.pointer.storeBytes(
                        of: UInt16(value.bitPattern >> 16), toByteOffset: offset, as: UInt16.self)
                }
                switch type {
                case .float16: values.append(Float(Float16(value)))
                case .bfloat16: values.append(Float(bitPattern: value.bitPattern & 0xFFFF_0000))
                default: values.append(value)
                }
            }
            let bytes = HostBytes(
                owner: memory, pointer: UnsafeRawBufferPointer(rebasing: memory.bytes.pointer[misalignment...]))
            tensor = StoredTensor(name: "w", type: type, shape: Shape(shape), bytes: bytes, path: "memory")
            self.values = values
        }
    }

    private func decoded(_ part: WeightPart, _ format: WeightFormat, columns: Int) -> [Float] {
        switch format {
        case .float32: elements(part.bytes, Float.self)
        case .float16: elements(part.bytes, Float16.self).map(Float.init)
        case .bfloat16: elements(part.bytes, UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
        case .int8: elements(part.bytes, Int8.self).map(Float.init)
        default: []
        }
    }

    private func encoded(_ value: Float, _ format: WeightFormat) -> Float {
        switch format {
        case .float32: value
        case .float16: Float(Float16(value))
        case .bfloat16: Float(bitPattern: UInt32(ElementConversion.bfloat16(value)) << 16)
        default: value
        }
    }

    @Test(arguments: [StoredType.float64, .float32, .float16, .bfloat16])
    func everyConversionEqualsTheElementwiseOne(type: StoredType) throws {
        for (rows, columns) in [(1, 1), (3, 5), (16, 16), (17, 33), (70, 200), (1, 300), (300, 1), (65, 129)] {
            for transposed in [false, true] {
                for (format, misalignment) in zip(
                    [WeightFormat.float32, .bfloat16, .float16, .int8] + [.float32, .bfloat16, .float16, .int8],
                    [0, 0, 0, 0, 1, 1, 3, 1])
                {
                    let matrix = Matrix(
                        type, transposed ? [columns, rows] : [rows, columns], misalignment: misalignment,
                        seed: UInt64(rows * 1000 + columns))
                    let loader = WeightLoader(Checkpoint(path: "memory", tensors: [matrix.tensor]))
                    let weight = try loader.weight(
                        "w", rows: rows, columns: columns, as: format, transposed: transposed)
                    let found = decoded(weight.parts[0], format, columns: columns)
                    var mismatches = 0
                    for row in 0..<rows {
                        func value(_ column: Int) -> Float {
                            matrix.values[transposed ? column * rows + row : row * columns + column]
                        }
                        let scale = (0..<columns).map { abs(value($0)) }.max().map { $0 / 127 } ?? 0
                        for column in 0..<columns {
                            let expected =
                                format == .int8
                                ? (value(column) / scale).rounded(.toNearestOrEven) : encoded(value(column), format)
                            if found[row * columns + column] != expected { mismatches += 1 }
                        }
                        if format == .int8 {
                            #expect(try elements(#require(weight.parts[0].scales), Float.self)[row] == scale)
                        }
                    }
                    #expect(mismatches == 0, "\(type) to \(format), \(rows) x \(columns), transposed \(transposed)")
                }
            }
        }
    }

    @Test func storedFormatIsKeptAndNotCopied() throws {
        let half = Matrix(.float16, [4, 8], seed: 1)
        let loader = WeightLoader(Checkpoint(path: "memory", tensors: [half.tensor]))
        let weight = try loader.weight("w", rows: 4, columns: 8)
        #expect(weight.format == .float16)
        #expect(weight.parts[0].bytes.pointer.baseAddress == half.tensor.bytes.pointer.baseAddress)
        let odd = Matrix(.float16, [4, 8], misalignment: 1, seed: 1)
        let copied = try WeightLoader(Checkpoint(path: "memory", tensors: [odd.tensor])).weight(
            "w", rows: 4, columns: 8)
        #expect(copied.parts[0].bytes.pointer.baseAddress != odd.tensor.bytes.pointer.baseAddress)
        #expect(elements(copied.parts[0].bytes, Float16.self).map(Float.init) == odd.values)
    }

    /// Two rows of 64: blocks with the scales 0.5, 1, 2 and 4.
    private func blocks(misalignment: Int) -> StoredTensor {
        let memory = HostAllocation(byteCount: 4 * 34 + misalignment)
        let target = UnsafeMutableRawBufferPointer(rebasing: memory.pointer[misalignment...])
        for block in 0..<4 {
            let scale = Float16(0.5 * Float(1 << block))
            target.storeBytes(of: scale.bitPattern, toByteOffset: block * 34, as: UInt16.self)
            for index in 0..<32 { target[block * 34 + 2 + index] = UInt8(bitPattern: Int8(index - 16)) }
        }
        let bytes = HostBytes(owner: memory, pointer: UnsafeRawBufferPointer(target))
        return StoredTensor(name: "w", type: .q8_0, shape: [2, 64], bytes: bytes, path: "memory")
    }

    @Test func blocksAreKeptOrDecoded() throws {
        let expected = (0..<4).flatMap { block in (0..<32).map { 0.5 * Float(1 << block) * Float($0 - 16) } }
        for misalignment in [0, 1, 2] {
            let tensor = blocks(misalignment: misalignment)
            let loader = WeightLoader(Checkpoint(path: "memory", tensors: [tensor]))
            let kept = try loader.weight("w", rows: 2, columns: 64)
            let bytes = kept.parts[0].bytes
            #expect(kept.format == .q8_0 && elements(bytes, UInt8.self) == elements(tensor.bytes, UInt8.self))
            let isInPlace = bytes.pointer.baseAddress == tensor.bytes.pointer.baseAddress
            #expect(isInPlace == (misalignment != 1))
            let decoded = try loader.weight("w", rows: 2, columns: 64, as: .float32)
            #expect(elements(decoded.parts[0].bytes, Float.self) == expected)
            #expect(try loader.floats(tensor) == expected)
            let turned = errorText { _ = try loader.weight("w", rows: 64, columns: 2, as: .float32, transposed: true) }
            #expect(turned?.contains("'w' holds Q8_0") == true)
        }
        let single = Matrix(.float32, [2, 64], seed: 1).tensor
        let loader = WeightLoader(Checkpoint(path: "memory", tensors: [single]))
        let refused = errorText { _ = try loader.weight("w", rows: 2, columns: 64, as: .q8_0) }
        #expect(refused?.contains("'w' cannot be stored as q8_0") == true)
    }

    @Test func partsOfMixedTypesBecomeFloat32() throws {
        let half = Matrix(.float16, [4, 8], seed: 1).tensor
        let single = Matrix(.float32, [2, 8], seed: 2).tensor
        let renamed = StoredTensor(
            name: "v", type: single.type, shape: single.shape, bytes: single.bytes, path: single.path)
        let loader = WeightLoader(Checkpoint(path: "memory", tensors: [half, renamed]))
        let weight = try loader.weight([("w", 4), ("v", 2)], columns: 8)
        #expect(weight.format == .float32 && weight.rows == 6 && weight.name == "w + v")
    }

    /// A layer of several weights keeps the bytes of the file, whatever each part's format.
    @Test func runsOfOneFormatAreWeightsOfTheirOwn() throws {
        func tensor(_ name: String, _ type: StoredType, rows: Int) -> StoredTensor {
            let stored = Matrix(type, [rows, 8], seed: 1).tensor
            return StoredTensor(name: name, type: type, shape: stored.shape, bytes: stored.bytes, path: "memory")
        }
        let tensors = [
            tensor("q", .float16, rows: 4), tensor("k", .float16, rows: 2), tensor("v", .bfloat16, rows: 2),
            tensor("o", .float64, rows: 3),
        ]
        let loader = WeightLoader(Checkpoint(path: "memory", tensors: tensors))
        let parts = [(name: "q", rows: 4), ("k", 2), ("v", 2)]
        let weights = try loader.weights(parts, columns: 8)
        #expect(weights.map(\.name) == ["q + k", "v"] && weights.map(\.format) == [.float16, .bfloat16])
        #expect(weights.map(\.rows) == [6, 2])
        let pointers = weights.flatMap(\.parts).map(\.bytes.pointer.baseAddress)
        #expect(pointers == tensors.prefix(3).map(\.bytes.pointer.baseAddress))
        #expect(try loader.weights(parts, columns: 8, as: .float32).map(\.rows) == [8])
        #expect(try loader.weights([("o", 3), ("q", 4)], columns: 8).map(\.format) == [.float32, .float16])
    }

    @Test func whatCannotBeLoadedNamesTheTensor() throws {
        let decodable = "F64, F32, F16, BF16 or a block format that this version computes"
        func tensor(_ values: [Float], _ shape: Shape, type: StoredType = .float32) -> StoredTensor {
            let memory = HostAllocation(byteCount: values.count * 4)
            memory.pointer.copyBytes(from: values.withUnsafeBytes { Array($0) })
            return StoredTensor(name: "m.w", type: type, shape: shape, bytes: memory.bytes, path: "memory")
        }
        func message(_ tensor: StoredTensor, _ load: (WeightLoader) throws -> Void) -> String {
            let loader = WeightLoader(
                Checkpoint(path: "model.safetensors", tensors: [tensor]), prefixes: ["m.", "n.", ""])
            do {
                try load(loader)
                return "no error"
            } catch let error as LoadError {
                return error.description
            } catch {
                return "untyped \(error)"
            }
        }
        let good = tensor([1, 2, 3, 4], [2, 2])
        #expect(
            message(good) { _ = try $0.weight("w", rows: 2, columns: 3) }
                == "tensor 'm.w' has shape [2, 2], expected [2, 3]")
        #expect(
            message(good) { _ = try $0.vector("b", count: 2) }
                == "model.safetensors: tensor 'b' is missing (also tried 'm.b', 'n.b')")
        #expect(
            message(tensor([1, 2, 3, 4], [2, 2], type: .int32)) { _ = try $0.weight("w", rows: 2, columns: 2) }
                == "tensor 'm.w' holds I32 elements, expected \(decodable)")
        #expect(
            message(tensor([1, 2], [2], type: .int32)) { _ = try $0.vector("w", count: 2) }
                == "tensor 'm.w' holds I32 elements, expected \(decodable)")
        #expect(
            message(tensor([1, 2, 3, 1e6], [2, 2])) { _ = try $0.weight("w", rows: 2, columns: 2, as: .float16) }
                == "tensor 'm.w' cannot be stored as float16: it holds values over 65504; use bfloat16 or float32")
        #expect(
            message(tensor([1, 2, 3, .nan], [2, 2])) { _ = try $0.weight("w", rows: 2, columns: 2, as: .int8) }
                == "tensor 'm.w' cannot be stored as int8: row 1 holds an infinity or a NaN")
    }

    /// Reports the time; a clock is no judge on a machine that others use.
    @Test func largeMatricesAreTransposed() throws {
        let (rows, columns) = (4096, 4096)
        let memory = HostAllocation(byteCount: rows * columns * 4)
        let floats = memory.pointer.bindMemory(to: Float.self)
        for index in floats.indices { floats[index] = Float(index) }
        let large = StoredTensor(
            name: "w", type: .float32, shape: [columns, rows], bytes: memory.bytes, path: "memory")
        let loader = WeightLoader(Checkpoint(path: "memory", tensors: [large]))
        var found: [Float] = []
        let elapsed = try ContinuousClock().measure {
            let weight = try loader.weight("w", rows: rows, columns: columns, transposed: true)
            found = elements(weight.parts[0].bytes, Float.self)
        }
        print("transposing 64 MB took \(elapsed)")
        var mismatches = 0
        for row in 0..<rows {
            for column in 0..<columns where found[row * columns + column] != Float(column * rows + row) {
                mismatches += 1
            }
        }
        #expect(mismatches == 0)
    }
}
