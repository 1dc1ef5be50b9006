import TensorCore
import Testing

@Suite("weights, workspaces and errors")
struct WeightTests {
    @Test("a weight of several parts sums their rows and bytes")
    func parts() {
        let parts = [3, 1].map { rows in
            WeightPart(
                rows: rows, bytes: HostAllocation(byteCount: rows * 5).bytes,
                scales: HostAllocation(byteCount: rows * 4).bytes)
        }
        let source = WeightSource(name: "w", format: .int8, columns: 5, parts: parts)
        #expect(source.rows == 4)
        #expect(source.byteCount == 20)
    }

    @Test("host memory is aligned for zero-copy use and may be empty", arguments: [0, 1, 4096, 10_000])
    func hostAllocation(_ byteCount: Int) {
        let allocation = HostAllocation(byteCount: byteCount)
        #expect(allocation.pointer.count == byteCount)
        #expect(allocation.bytes.byteCount == byteCount)
        #expect(Int(bitPattern: allocation.pointer.baseAddress) % HostAllocation.alignment == 0)
    }

    @Test("a workspace plan gives aligned room to each tensor")
    func workspace() {
        var plan = WorkspacePlan()
        _ = plan.float32([3, 5])
        #expect(plan.byteCount == 256)
        _ = plan.int32([64])
        #expect(plan.byteCount == 512)
        _ = plan.add(.float16, [129])
        #expect(plan.byteCount == 1024)
        _ = plan.float32([0, 9])
        #expect(plan.byteCount == 1024)
    }

    @Test(
        "every error is one line",
        arguments: [
            BackendError.deviceNotFound(request: "opencl:9", available: []),
            .deviceNotFound(request: "opencl:9", available: ["cpu", "opencl:0"]),
            .invalidArgument(op: "rope", reason: "rotary size 7 is odd"),
            .shapeMismatch(op: "matmul", argument: "x", expected: "[T, 8]", found: "[3, 7]"),
            .unsupported(op: "matmul", reason: "format"),
            .limitExceeded(op: "matmul", limit: "tokens", maximum: 4, found: 5),
            .outOfMemory(requestedByteCount: 10, device: "cpu"),
            .kernelBuildFailed(program: "norm", device: "gpu", log: "line 1\nline 2\r\nline 3"),
            .kernelSourceMissing(name: "norm/rms_norm.cl", directory: "/tmp"),
            .kernelSourceMissing(name: "norm/rms_norm.cl", directory: nil),
            .selfTestFailed(kernel: "dot", device: "gpu", reason: "wrong"),
            .deviceFailure(op: "clFinish", code: -5, name: "CL_OUT_OF_RESOURCES"),
            .libraryMissing(name: "libopenblas", reason: "not found"),
        ])
    func oneLine(_ error: BackendError) {
        #expect(!error.description.isEmpty)
        #expect(error.description.split(whereSeparator: \.isNewline).count == 1)
    }
}
