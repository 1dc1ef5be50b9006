/// Optional abilities of a device that some kernel variant uses. The baseline, OpenCL C 1.2, needs none.
///
/// An ability counts only after its self-test has computed the right numbers on the device.
package struct Capabilities: Sendable, Hashable {
    init() {}
}
