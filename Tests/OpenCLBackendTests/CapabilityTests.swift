import OpenCLBackend
import TensorCore
import Testing

@Suite("Capabilities")
struct CapabilityTests {
    @Test("what a device offers passes its self-test, what it does not offer is not tried")
    func probes() throws {
        let devices = ((try? OpenCLDevice.all()) ?? []).filter(\.isUsable)
        if devices.isEmpty { print("CapabilityTests: no OpenCL device is present; probes did not run") }
        for device in devices {
            let backend = try OpenCLBackend(device: device)
            for capability in Capability.allCases {
                let result = backend.probe(capability)
                #expect(result == .passed || result == .notOffered, "\(capability) on \(device.name): \(result)")
            }
            let offersHalf = device.extensions.contains("cl_khr_fp16")
            #expect((backend.probe(.halfArithmetic) == .notOffered) == !offersHalf)
        }
    }

    @Test("wrong numbers fail")
    func comparison() {
        #expect(OpenCLBackend.compare([1, 2, 3], [1, 2, 3]) == .passed)
        #expect(OpenCLBackend.compare([1, 5, 3], [1, 2, 3]) == .failed(reason: "number 1 is 5, expected 2"))
        #expect(OpenCLBackend.compare([1], [1, 2]) == .failed(reason: "1 of 2 numbers"))
        #expect(OpenCLBackend.compare([Float.nan], [Float.nan]) != .passed)
    }
}
