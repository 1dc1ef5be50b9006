import Foundation
import OpenCLBackend
import TensorCore
import Testing

/// Launching, transfers, failures and memory.
@Suite struct RuntimeTests {
    private static let program = ProgramDescriptor("norm", sources: ["norm/rms_norm.cl"])

    private func refusal(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: OpenCLDevices.all)
    func wrongArgumentsAreRefused(_ device: OpenCLDevice) throws {
        let backend = try OpenCLBackend(device: device)
        let x = try backend.makeTensor([Float(1)], [1])
        let name = Tuning.forDevice(device).rowIsWorkItem ? "rms_norm_row_f32" : "rms_norm_group_f32"
        let cost = LaunchCost(bytes: 0, flops: 0)
        let range = LaunchRange(1, local: 1)

        let short = KernelDescriptor(Self.program, name, [.tensor, .float])
        let text = refusal { try backend.launch(short, range, x, Float(1), cost: cost) }
        #expect(text?.hasPrefix("\(name): the kernel has ") == true, "\(text ?? "no error")")

        let kinds: [ArgumentKind] = [
            .tensor, .optionalTensor, .optionalTensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32,
            .uint32, .uint32, .float,
        ]
        let full = KernelDescriptor(Self.program, name, name.contains("group") ? kinds + [.local] : kinds)
        #expect(
            refusal { try backend.launch(full, range, x, UInt32(1), cost: cost) }
                == "\(name): argument 1 is uint32, expected optional tensor")
        #expect(
            refusal { try backend.launch(full, range, x, x as Tensor?, cost: cost) }
                == "\(name): 2 arguments given, \(full.arguments.count) expected")
        let missing = KernelDescriptor(Self.program, "no_such_kernel", [.tensor])
        #expect(
            refusal { try backend.launch(missing, range, x, cost: cost) }?.contains("no_such_kernel") == true)
        #expect(backend.counters.launches == 0)
    }

    /// Drivers either return a failure from the wait or leave it in the status of what waited. (PoCL 3.1 aborts when a
    /// command fails and Intel's runtime forgets it, so no real failure can be provoked here.)
    @Test func synchronizeReportsFailure() {
        #expect(CommandQueue.failure(finishCode: 0, markerStatus: 0, notification: "slow") == nil)
        // A positive status is a command that still runs, which is no failure.
        #expect(CommandQueue.failure(finishCode: 0, markerStatus: 1, notification: nil) == nil)
        #expect(
            CommandQueue.failure(finishCode: -5, markerStatus: -14, notification: nil)
                == .deviceFailure(op: "enqueued work", code: -5, name: "OUT_OF_RESOURCES"))
        #expect(
            CommandQueue.failure(finishCode: 0, markerStatus: -5, notification: "fault at 0x10")?.description
                == "enqueued work failed on the device: OUT_OF_RESOURCES: fault at 0x10 (-5)")
    }

    @Test(arguments: OpenCLDevices.all)
    func tooMuchMemoryIsRefused(_ device: OpenCLDevice) throws {
        let backend = try OpenCLBackend(device: device)
        for byteCount in [Int.max, device.maxAllocationByteCount + 1] {
            #expect(
                throws: BackendError.outOfMemory(requestedByteCount: byteCount, device: device.name)
            ) { _ = try backend.makeBuffer(byteCount: byteCount) }
        }
        // Buffers that are never touched: the sum is refused before the driver is driven out of memory.
        var buffers: [any DeviceBuffer] = []
        let size = max(device.maxAllocationByteCount / 2, 1)
        #expect(throws: BackendError.outOfMemory(requestedByteCount: size, device: device.name)) {
            for _ in 0..<10_000 { buffers.append(try backend.makeBuffer(byteCount: size)) }
        }
        buffers.removeAll()
        _ = try backend.makeBuffer(byteCount: 1 << 20)
    }

    @Test(arguments: OpenCLDevices.all)
    func writesKeepTheirOrderAndTheirBytes(_ device: OpenCLDevice) throws {
        let backend = try OpenCLBackend(device: device)
        // More small writes than the staging memory holds, and writes larger than it, from memory that is reused.
        let count = 50_000
        var values = [Float](repeating: 0, count: count)
        let x = try backend.makeTensor(.float32, [count])
        let copies = try (0..<12).map { _ in try backend.makeTensor(.float32, [count]) }
        for (step, copy) in copies.enumerated() {
            for index in values.indices { values[index] = Float(step) }
            try values.withUnsafeBytes { try backend.write($0, to: x) }
            for index in values.indices { values[index] = -1 }
            try backend.gatherRows(
                x.reshaped([1, count]), rows: try backend.makeTensor([Int32(0)], [1]), into: copy.reshaped([1, count]))
        }
        for (step, copy) in copies.enumerated() {
            #expect(try backend.readFloats(copy).allSatisfy { $0 == Float(step) })
        }
        let large = [Float](repeating: 7, count: 1 << 19)
        #expect(try backend.readFloats(try backend.makeTensor(large, [1 << 19])) == large)
    }

    @Test(arguments: OpenCLDevices.all)
    func stridedRowsAreReadPacked(_ device: OpenCLDevice) throws {
        let backend = try OpenCLBackend(device: device)
        let x = try backend.makeTensor((0..<20).map(Float.init), [4, 5]).columns(1..<3)
        #expect(try backend.readFloats(x) == [1, 2, 6, 7, 11, 12, 16, 17])
        #expect(throws: BackendError.self) { try [Float(1)].withUnsafeBytes { try backend.write($0, to: x) } }
    }

    @Test(arguments: OpenCLDevices.all)
    func wrongShapesAreRefused(_ device: OpenCLDevice) throws {
        let backend = try OpenCLBackend(device: device)
        let x = try backend.makeTensor([Float](repeating: 1, count: 6), [2, 3])
        let weight = try backend.makeTensor([Float](repeating: 1, count: 4), [4])
        #expect(
            throws: BackendError.shapeMismatch(op: "rmsNorm", argument: "weight", expected: "[3]", found: "[4]")
        ) { try backend.rmsNorm(x, residual: nil, sum: nil, weight: weight, epsilon: 0, into: x) }
        #expect(throws: BackendError.limitExceeded(op: "topK", limit: "count", maximum: 256, found: 257)) {
            try backend.topK(x, count: 257, values: x, indices: x)
        }
        #expect(backend.counters.launches == 0)
    }

    @Test(arguments: OpenCLDevices.all)
    func profileCountsExactly(_ device: OpenCLDevice) throws {
        let backend = try OpenCLBackend(device: device)
        let x = try backend.makeTensor([Float](repeating: 1, count: 6), [2, 3])
        try backend.softmax(x, scale: 1, into: x)
        backend.setProfiling(true)
        for _ in 0..<3 { try backend.softmax(x, scale: 1, into: x) }
        try backend.activate(x, .relu, into: x)
        let profile = try backend.profile()
        let softmax = try #require(profile.first { $0.kernel.hasPrefix("softmax") })
        #expect(profile.count == 2)
        #expect(softmax.launches == 3 && softmax.byteCount == 3 * 48 && softmax.flopCount == 3 * 36)
        #expect(!device.canProfile || softmax.seconds > 0)
        backend.setProfiling(false)
        try backend.softmax(x, scale: 1, into: x)
        #expect(try backend.profile().first { $0.kernel.hasPrefix("softmax") }?.launches == 3)
        #expect(backend.counters.launches == 6)
    }

    /// Resident bytes of this process.
    private func residentByteCount() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
    }

    @Test(arguments: OpenCLDevices.all.filter(\.sharesHostMemory))
    func weightsInSharedMemoryAreNotCopied(_ device: OpenCLDevice) throws {
        let backend = try OpenCLBackend(device: device)
        let (rows, columns) = (4_096, 4_096)
        let memory = HostAllocation(byteCount: rows * columns * 4 + 8)
        memory.pointer.initializeMemory(as: UInt8.self, repeating: 0)
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.pointer)[8...])
        let part = WeightPart(rows: rows, bytes: HostBytes(owner: memory, pointer: bytes))
        let output = try backend.makeTensor(.float32, [1, columns])
        let ids = try backend.makeTensor([Int32(rows - 1)], [1])
        let warmUp = WeightSource(
            name: "small", format: .float32, columns: columns,
            parts: [
                WeightPart(
                    rows: 1, bytes: HostBytes(owner: memory, pointer: .init(rebasing: bytes[..<(columns * 4)])))
            ])
        try backend.embed(
            try backend.makeTensor([Int32(0)], [1]), backend.prepare(warmUp), accumulate: false, into: output)
        try backend.synchronize()
        let before = residentByteCount()
        let weight = try backend.prepare(
            WeightSource(name: "large", format: .float32, columns: columns, parts: [part]))
        try backend.embed(ids, weight, accumulate: false, into: output)
        try backend.synchronize()
        #expect(residentByteCount() - before < 16 << 20)
        #expect(backend.counters.bytesWritten < 1 << 10)
    }
}
