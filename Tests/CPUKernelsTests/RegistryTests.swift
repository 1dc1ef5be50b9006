import CPUBackend
import TensorCore
import Testing

@Suite("kernel sets")
struct RegistryTests {
    private typealias KernelSet = CPUBackend.KernelSet

    @Test("names are unique, and the generic set runs everywhere")
    func names() {
        #expect(Set(KernelSet.all.map(\.name)).count == KernelSet.all.count)
        #expect(KernelSet.all.last?.name == "generic" && KernelSet.all.last?.isSupported == true)
    }

    @Test("a backend by default has the first set of each kind that its instructions have")
    func defaults() throws {
        for instructions in CPUBackend.InstructionSet.allCases where instructions.isSupported {
            let used = try CPUBackend(threadCount: 1, instructionSet: instructions).kernelSets
            let running = KernelSet.all.filter {
                $0.isSupported && $0.instructionSet == instructions && !$0.isOnlyByName
            }
            for kind in [KernelSet.Kind.floats, .bfloat16, .int8] {
                #expect(used.first { $0.kind == kind } == running.first { $0.kind == kind })
            }
        }
    }

    @Test("named sets are used, with floats of the first one's instructions")
    func named() throws {
        let set = try #require(KernelSet.all.first { $0.isSupported && $0.kind == .floats })
        #expect(try KernelSet.named(" \(set.name) ", source: "X") == [set])
        for other in KernelSet.all where other.isSupported {
            let used = try CPUBackend(threadCount: 1, kernelSets: [other]).kernelSets
            #expect(used.contains(other) && used.filter { $0.kind == .floats }.count == 1)
            #expect(used.allSatisfy { $0.instructionSet == other.instructionSet })
        }
        let generic = try KernelSet.named("generic", source: "X")
        #expect(try CPUBackend(threadCount: 1, kernelSets: generic + [set]).instructionSet == .generic)
    }

    @Test("sets of all kinds of the same instructions make a backend, those for tests too")
    func together() throws {
        for set in KernelSet.all where set.isSupported {
            let others = KernelSet.all.filter {
                $0.isSupported && $0.instructionSet == set.instructionSet && $0.kind != set.kind
            }
            let kinds: [KernelSet.Kind] = [.bfloat16, .int8, .floats]
            let all = kinds.compactMap { kind in kind == set.kind ? set : others.first { $0.kind == kind } }
            #expect(try CPUBackend(threadCount: 1, kernelSets: all).kernelSets.count == all.count)
        }
    }

    @Test("an unknown name is refused in one line", arguments: ["foo", "", "avx2,,generic", "AVX2", "generic;avx2"])
    func unknown(_ names: String) {
        #expect {
            try KernelSet.named(names, source: "INFER_CPU_KERNELS")
        } throws: { error in
            let text = "\(error)"
            return error is BackendError && text.hasPrefix("INFER_CPU_KERNELS names '")
                && text.contains("which is no kernel set; this processor runs: ") && text.hasSuffix("generic")
                && !text.contains("\n")
        }
    }

    @Test("a set that the processor lacks is refused in one line")
    func lacking() throws {
        guard let lacking = KernelSet.all.first(where: { !$0.isSupported }) else {
            print("kernel sets: this processor runs all, so that none is refused")
            return
        }
        #expect {
            try KernelSet.named(lacking.name, source: "INFER_CPU_KERNELS")
        } throws: {
            "\($0)".hasPrefix("INFER_CPU_KERNELS names '\(lacking.name)', which this processor does not run;")
        }
        #expect(throws: BackendError.self) { try CPUBackend(threadCount: 1, kernelSets: [lacking]) }
    }
}
