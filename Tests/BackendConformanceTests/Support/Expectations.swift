import TensorCore
import TestSupport
import Testing

/// Runs one case on each device. A failure names the device and the case, and the other devices still run.
func onEveryDevice(
    _ name: String, of devices: [ConformanceDevice] = ConformanceDevices.all,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (any Backend, Expectations) throws -> Void
) {
    for device in devices {
        let expectations = Expectations(place: "\(device.name), \(name)", sourceLocation: sourceLocation)
        do {
            try device.use { try body($0, expectations) }
        } catch {
            expectations.fail("threw \(error)")
        }
    }
}

/// What the cases check on one device.
struct Expectations {
    let place: String
    let sourceLocation: SourceLocation

    func fail(_ message: String) {
        Issue.record("\(place): \(message)", sourceLocation: sourceLocation)
    }

    func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
        if !condition { fail(message()) }
    }

    /// The output is within `bound` (NMSE over all of it, or of its worst row) and nothing around it was written.
    func close(
        _ output: GuardedTensor, _ expected: Matrix, bound: Double, eachRow: Bool = false, _ what: String = "output"
    ) throws {
        let (bytes, damage) = try output.contents()
        if let damage { fail("\(what): \(damage)") }
        let found = NumberFormats.decode(bytes, as: output.tensor.dtype)
        guard found.count == expected.values.count else {
            return fail("\(what): \(found.count) elements, expected \(expected.values.count)")
        }
        let error =
            eachRow ? worstRowError(found, expected) : normalizedMeanSquaredError(found, expected.values)
        guard !(error <= bound) else { return }
        let worst = found.indices.max { distance(found, expected, $0) < distance(found, expected, $1) } ?? 0
        let (row, column) = (worst / max(expected.columns, 1), worst % max(expected.columns, 1))
        fail(
            "\(what): NMSE \(error) over \(bound); worst at [\(row), \(column)]: "
                + "\(found[worst]), expected \(expected.values[worst])")
    }

    /// Close to the one of several answers that the output is nearest to.
    func close(_ output: GuardedTensor, toOneOf answers: [Matrix], bound: Double) throws {
        let found = NumberFormats.decode(try output.contents().0, as: output.tensor.dtype)
        let nearest = answers.filter { $0.values.count == found.count }.min {
            normalizedMeanSquaredError(found, $0.values) < normalizedMeanSquaredError(found, $1.values)
        }
        guard let answer = nearest ?? answers.first else { return fail("no answer to compare with") }
        try close(output, answer, bound: bound)
    }

    private func distance(_ found: [Float], _ expected: Matrix, _ index: Int) -> Double {
        found[index].isNaN ? .infinity : abs(Double(found[index]) - expected.values[index])
    }

    /// The output's int32 elements are exactly these and nothing around it was written.
    func equal(_ output: GuardedTensor, _ expected: [Int32], _ what: String = "output") throws {
        let (bytes, damage) = try output.contents()
        if let damage { fail("\(what): \(damage)") }
        let found = bytes.withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) }
        guard found != expected else { return }
        let index = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
        fail("\(what): element \(index) is \(found[index]), expected \(expected[index])")
    }

    /// The output's bytes are exactly these and nothing around it was written.
    func identical(_ output: GuardedTensor, _ expected: [UInt8], _ what: String = "output") throws {
        let (bytes, damage) = try output.contents()
        if let damage { fail("\(what): \(damage)") }
        guard bytes != expected else { return }
        let index = zip(bytes, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
        fail("\(what): element \(index / output.tensor.dtype.byteCount) differs")
    }

    func unchanged(_ tensor: GuardedTensor?, _ what: String) throws {
        if let change = try tensor?.change() { fail("\(what) must not change: \(change)") }
    }

    /// `operation` throws a `BackendError` and enqueues nothing.
    func refuses(
        _ backend: any Backend, _ what: String, writing outputs: [GuardedTensor] = [], _ operation: () throws -> Void
    ) throws {
        let launches = backend.counters.launches
        do {
            try operation()
            fail("\(what) was accepted")
        } catch is BackendError {
        } catch {
            fail("\(what) threw \(error), which is no BackendError")
        }
        expect(backend.counters.launches == launches, "\(what) enqueued something before it was refused")
        try backend.synchronize()
        for output in outputs { try unchanged(output, "the output of \(what)") }
    }
}
