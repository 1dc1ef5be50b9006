internal import COpenCL
public import TensorCore

extension OpenCLBackend {
    /// Zero-copy buffers start at multiples of a page.
    private static let pageByteCount = 4096

    /// Rows stay in the source's memory where the device shares memory, they are aligned to their elements, and kernels
    /// can address as many parts. Otherwise they are copied one part behind the other and the source's pages are
    /// released. Scales, which are small, are copied.
    public func prepare(_ source: WeightSource, precision: MatmulPrecision) throws -> any Weight {
        let isInPlace =
            device.sharesHostMemory && source.parts.count <= OpenCLWeight.maxRegionCount
            && source.parts.allSatisfy { isAligned($0.bytes, for: source.format) }
        let matrices = source.parts.map(\.bytes)
        let places = isInPlace ? try readInPlace(matrices) : try upload(matrices)
        let parts = zip(source.parts, places).map { part, place in
            OpenCLWeight.Part(
                rows: part.rows, buffer: place.buffer, byteOffset: place.byteOffset, host: isInPlace ? part.bytes : nil)
        }
        let scales = try upload(source.parts.compactMap(\.scales)).first?.buffer
        let quantisation = try quantisation(of: source, precision: precision)
        return OpenCLWeight(
            name: source.name, format: source.format, columns: source.columns, parts: parts, scales: scales,
            quantisation: quantisation)
    }

    private func isAligned(_ bytes: HostBytes, for format: WeightFormat) -> Bool {
        guard let pointer = bytes.pointer.baseAddress, bytes.byteCount > 0 else { return false }
        return Int(bitPattern: pointer) % format.alignment == 0
    }

    typealias Place = (buffer: OpenCLBuffer, byteOffset: Int)

    /// One buffer over the whole range where all parts have one owner, so that a kernel reaches every part; else one each.
    private func readInPlace(_ parts: [HostBytes]) throws -> [Place] {
        guard let first = parts.first else { return [] }
        let addresses = parts.map { UInt(bitPattern: $0.pointer.baseAddress) }
        let start = (addresses.min() ?? 0) / UInt(Self.pageByteCount) * UInt(Self.pageByteCount)
        let end = zip(addresses, parts).map { $0 + UInt($1.byteCount) }.max() ?? 0
        let isOneOwner = parts.allSatisfy { $0.owner === first.owner }
        guard parts.count == 1 || (isOneOwner && end - start <= UInt(budget.maxAllocationByteCount)) else {
            return try parts.flatMap { try readInPlace([$0]) }
        }
        let region = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: start), count: Int(end - start))
        guard region.count <= budget.maxAllocationByteCount else {
            throw BackendError.outOfMemory(requestedByteCount: region.count, device: device.name)
        }
        let buffer = try OpenCLBuffer(readingInPlace: region, owner: first.owner, queue: queue, budget: budget)
        return addresses.map { (buffer, Int($0 - start)) }
    }

    /// Copies the parts one behind the other into one buffer and releases the host's pages.
    func upload(_ parts: [HostBytes]) throws -> [Place] {
        guard !parts.isEmpty else { return [] }
        try runChain()
        let buffer = try makeOpenCLBuffer(byteCount: parts.reduce(0) { $0 + $1.byteCount })
        var places: [Place] = []
        var offset = 0
        for part in parts {
            places.append((buffer, offset))
            guard let pointer = part.pointer.baseAddress, part.byteCount > 0 else { continue }
            try check(
                ocl_enqueue_write_buffer(queue.handle, buffer.handle, true, offset, part.byteCount, pointer),
                "clEnqueueWriteBuffer", device: device.name)
            counts.bytesWritten += part.byteCount
            offset += part.byteCount
            part.discard()
        }
        return places
    }

    /// The weight as this backend's own.
    func own(_ weight: any Weight) -> OpenCLWeight {
        guard let weight = weight as? OpenCLWeight else {
            preconditionFailure("weight \(weight.name) of another backend was given to the OpenCL backend")
        }
        return weight
    }
}
