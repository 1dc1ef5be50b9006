import CPUBackend
import Inference
import Synchronization
import TensorCore
import TestSupport
import Testing

/// Passes that run beside each other, a thread each.
@Suite("Encoder lanes")
struct EncoderLaneTests {
    private struct Failure: Error, Equatable {
        let element: Int
    }

    /// Texts for some passes a lane.
    private func texts(_ reference: EncoderReference) throws -> [EncoderInput] {
        let sources = try reference.inputs()
        return (0..<120).map { index in
            let source = sources[index % sources.count]
            let end = 12 + index % 17
            return EncoderInput(
                tokens: Array(source.tokens[..<end]), mask: source.mask.map { Array($0[..<end]) },
                segments: source.segments.map { Array($0[..<end]) })
        }
    }

    @Test(
        "answers have the same bits on any number of threads", arguments: EncoderReference.fixtures,
        [nil, WeightFormat.int8, .bfloat16])
    func threads(reference: EncoderReference, format: WeightFormat?) throws {
        let package = try reference.package()
        let inputs = try texts(reference)
        func answers(_ threadCount: Int) throws -> (first: [[[Float]]], again: [[[Float]]]) {
            let backend = try CPUBackend(threadCount: threadCount)
            let pass = try EncoderPass(
                package, on: backend, longest: 40, options: EngineOptions(weightFormat: format))
            return (try pass.run(inputs).map(\.values), try pass.run(inputs).map(\.values))
        }
        let alone = try answers(1)
        #expect(alone.first == alone.again)
        for count in [2, 3] {
            let found = try answers(count)
            #expect(found.first == alone.first, "\(reference) in \(String(describing: format)), \(count) threads")
            #expect(found.again == alone.first, "\(reference) again, \(count) threads")
        }
    }

    @Test("a profile misses nothing")
    func profile() throws {
        let reference = try #require(EncoderReference.fixtures.first)
        let inputs = try texts(reference)
        func launches(_ threadCount: Int) throws -> [Int] {
            let backend = try CPUBackend(threadCount: threadCount)
            let pass = try EncoderPass(reference.package(), on: backend, longest: 40)
            backend.setProfiling(true)
            _ = try pass.run(inputs)
            return try backend.profile().sorted { $0.kernel < $1.kernel }.map(\.launches)
        }
        let expected = try launches(1)
        #expect(expected.reduce(0, +) > 0)
        #expect(try launches(2) == expected)
    }

    @Test("workers take all elements, none twice at once, and keep their order")
    func order() throws {
        let busy = Mutex(Set<Int>())
        let results = try ConcurrentTasks.map(Array(100..<400), on: 4) { worker, element in
            #expect((0..<4).contains(worker))
            #expect(busy.withLock { $0.insert(worker).inserted })
            defer { _ = busy.withLock { $0.remove(worker) } }
            return 2 * element
        }
        #expect(results == (100..<400).map { 2 * $0 })
        #expect(try ConcurrentTasks.map([Int](), on: 4) { $1 }.isEmpty)
        #expect(try ConcurrentTasks.map([7], on: 1) { $0 + $1 } == [7])
    }

    @Test("what the first element throws ends the work")
    func failure() throws {
        let error = #expect(throws: Failure.self) {
            try ConcurrentTasks.map(Array(0..<50), on: 3) { _, element in
                if element >= 17 { throw Failure(element: element) }
                return element
            }
        }
        #expect(error == Failure(element: 17))
    }
}
