internal import COpenCL
internal import TensorCore

/// Compiles programs, or takes them from the cache.
final class ProgramBuilder {
    private let queue: CommandQueue
    private let tuning: Tuning
    private let options: OpenCLOptions
    private let cache: ProgramCache?
    /// Programs compiled from source.
    private(set) var buildCount = 0

    init(queue: CommandQueue, tuning: Tuning, options: OpenCLOptions) {
        self.queue = queue
        self.tuning = tuning
        self.options = options
        cache = options.cacheDirectory.map { ProgramCache(directory: $0, warn: options.warn) }
    }

    /// A program ready for making kernels; the caller releases it.
    /// - Throws: `BackendError.kernelBuildFailed` with the compiler's log; `.kernelSourceMissing`; `.kernelCacheFull`.
    func build(_ descriptor: ProgramDescriptor) throws -> OpaquePointer {
        try build(
            descriptor, text: KernelText.program(descriptor, directory: options.kernelDirectory),
            flags: compilerOptions(descriptor))
    }

    /// A program that runs launches of any of `kernels`, which it numbers in their order.
    func buildChain(_ descriptor: ProgramDescriptor, of kernels: [KernelDescriptor]) throws -> OpaquePointer {
        let text = try ChainText.program(kernels, tuning: tuning, directory: options.kernelDirectory)
        return try build(descriptor, text: text, flags: compilerOptions(descriptor))
    }

    private func build(_ descriptor: ProgramDescriptor, text: String, flags: String) throws -> OpaquePointer {
        guard let cache else { return try compile(descriptor, text: text, flags: flags) }
        let device = queue.device
        let key = ProgramCache.Key(
            program: descriptor.name,
            parts: [
                device.platformName, device.platformVersion, device.name, device.driverVersion, flags, text,
            ])
        if let binary = cache.load(key) {
            if let program = load(binary, flags: flags) { return program }
            cache.remove(key)
        }
        let program = try compile(descriptor, text: text, flags: flags)
        do {
            if let binary = binary(of: program) { try cache.store(binary, for: key) }
        } catch {
            _ = ocl_release_program(program)
            throw error
        }
        return program
    }

    private func compilerOptions(_ descriptor: ProgramDescriptor) -> String {
        // Warnings say nothing to a user, and PoCL prints how many there were.
        var flags = ["-w", "-cl-std=\(descriptor.language)", "-DROW_IS_WORK_ITEM=\(tuning.rowIsWorkItem ? 1 : 0)"]
        flags += (descriptor.format?.kernelMacros ?? []).map { "-D\($0.name)=\($0.value)" }
        flags += descriptor.defines(tuning).map { "-D\($0.name)=\($0.value)" }
        if !options.buildOptions.isEmpty { flags.append(options.buildOptions) }
        return flags.joined(separator: " ")
    }

    private func compile(_ descriptor: ProgramDescriptor, text: String, flags: String) throws -> OpaquePointer {
        var text = text
        let program = try text.withUTF8 { bytes in
            try bytes.withMemoryRebound(to: CChar.self) { characters in
                try checkedObject("clCreateProgramWithSource", device: queue.device.name) {
                    ocl_create_program_with_source(queue.context, characters.baseAddress, characters.count, $0)
                }
            }
        }
        if buildCount == 0 { options.compilationBegins() }
        let code = ocl_build_program(program, queue.device.handle, flags)
        buildCount += 1
        guard code == 0 else {
            defer { _ = ocl_release_program(program) }
            throw BackendError.kernelBuildFailed(
                program: descriptor.name, device: queue.device.name, log: log(of: program, code: code))
        }
        return program
    }

    /// The compiler's log, shortened to what a person reads.
    private func log(of program: OpaquePointer, code: Int32) -> String {
        var byteCount = 0
        let question = OCL_PROGRAM_BUILD_LOG
        guard ocl_get_program_build_info(program, queue.device.handle, question, 0, nil, &byteCount) == 0,
            byteCount > 1, byteCount <= 1 << 26
        else { return clErrorName(code) }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        guard ocl_get_program_build_info(program, queue.device.handle, question, byteCount, &bytes, nil) == 0 else {
            return clErrorName(code)
        }
        let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        return "\(clErrorName(code)): " + (text.count > 4000 ? text.prefix(4000) + "…" : text[...])
    }

    private func load(_ binary: [UInt8], flags: String) -> OpaquePointer? {
        var code: Int32 = 0
        guard
            let program = ocl_create_program_with_binary(
                queue.context, queue.device.handle, binary, binary.count, &code)
        else { return nil }
        guard code == 0, ocl_build_program(program, queue.device.handle, flags) == 0 else {
            _ = ocl_release_program(program)
            return nil
        }
        return program
    }

    private func binary(of program: OpaquePointer) -> [UInt8]? {
        var byteCount = 0
        guard
            ocl_get_program_info(
                program, OCL_PROGRAM_BINARY_SIZES, MemoryLayout<Int>.size, &byteCount, nil) == 0,
            byteCount > 0
        else { return nil }
        var binary = [UInt8](repeating: 0, count: byteCount)
        let code = binary.withUnsafeMutableBufferPointer { bytes in
            var pointer = bytes.baseAddress
            return ocl_get_program_info(
                program, OCL_PROGRAM_BINARIES, MemoryLayout<UnsafeMutablePointer<UInt8>?>.size, &pointer, nil)
        }
        return code == 0 ? binary : nil
    }
}
