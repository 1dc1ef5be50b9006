import Devices
import OpenCLBackend
import TensorCore
import Testing

/// `--device`: what it takes and what becomes of it.
@Suite struct DeviceChoiceTests {
    @Test func choicesAreRead() {
        #expect(DeviceChoice("auto") == .auto)
        #expect(DeviceChoice("cpu") == .cpu)
        #expect(DeviceChoice("opencl") == .opencl(index: nil))
        #expect(DeviceChoice("opencl:12") == .opencl(index: 12))
        for choice in [DeviceChoice.auto, .cpu, .opencl(index: nil), .opencl(index: 3)] {
            #expect(DeviceChoice(choice.description) == choice)
        }
    }

    @Test(
        arguments: [
            "", "gpu", "CPU", "opencl:", "opencl:-1", "opencl:+1", "opencl: 1", "opencl:1.0", "opencl:٣", "opencl:0x1",
            "opencl:99999999999999999999", "cpu:0", "auto:1",
        ])
    func otherTextIsRefused(_ text: String) { #expect(DeviceChoice(text) == nil) }

    @Test func everyDeviceIsChosenByNumber() throws {
        for (index, device) in OpenCLDevices.all.enumerated() {
            let chosen = try DeviceSelection.makeBackend(.opencl(index: index))
            #expect(chosen.summary.contains(device.name) && !chosen.summary.contains("\n"))
        }
        guard !OpenCLDevices.all.isEmpty else { return }
        #expect(try DeviceSelection.makeBackend(.opencl(index: nil)).summary.contains("opencl"))
    }

    @Test func absentDevicesAreToldWithWhatThereIs() {
        do {
            _ = try DeviceSelection.makeBackend(.opencl(index: 999))
            Issue.record("device 999 was found")
        } catch let error as BackendError {
            switch error {
            case .deviceNotFound(let request, let available):
                #expect(request == "opencl:999" && available.first == "cpu")
                #expect(available.count == 1 + ((try? OpenCLDevice.all().count) ?? 0))
            case .libraryMissing(let name, _): #expect(name == "OpenCL")
            default: Issue.record("\(error)")
            }
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test func autoTakesTheCPUWhereThereIsNoGPU() throws {
        let hasGPU = OpenCLDevices.all.contains { $0.kind == .gpu || $0.kind == .accelerator }
        let summary = try DeviceSelection.makeBackend(.auto, threadCount: 1).summary
        #expect(summary.contains("cpu: 1 thread") == !hasGPU)
        #expect(!summary.contains("\n"))
    }
}
