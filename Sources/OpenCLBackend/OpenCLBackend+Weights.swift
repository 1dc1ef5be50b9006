internal import COpenCL
public import TensorCore

extension OpenCLBackend {
    /// The page that zero-copy buffers start at.
    private static let pageByteCount = 4096

    /// `preparePacked` (beside the matrix products) repacks the weights whose kernels want another layout than rows.
    public func prepare(_ source: WeightSource) throws -> any Weight {
        if let packed = try preparePacked(source) { return packed }
        return try prepareRows(source)
    }

    /// Rows as they lie in the source: read in place where the device shares memory and the rows are aligned for their
    /// elements, else copied one part behind the other and discarded.
    func prepareRows(_ source: WeightSource) throws -> OpenCLWeight {
        let isInPlace =
            device.sharesHostMemory && source.parts.allSatisfy { canReadInPlace($0, format: source.format) }
        let matrices = source.parts.map(\.bytes)
        let scales = source.parts.compactMap(\.scales)
        let places = isInPlace ? try readInPlace(matrices) : try upload(matrices)
        let scalePlaces = isInPlace ? try readInPlace(scales) : try upload(scales)
        let parts = source.parts.indices.map { index in
            let scale = scalePlaces.isEmpty ? nil : scalePlaces[index]
            return OpenCLWeight.Part(
                rows: source.parts[index].rows, buffer: places[index].buffer, byteOffset: places[index].byteOffset,
                scales: scale?.buffer, scalesByteOffset: scale?.byteOffset ?? 0)
        }
        return OpenCLWeight(name: source.name, format: source.format, columns: source.columns, parts: parts)
    }

    private func canReadInPlace(_ part: WeightPart, format: WeightFormat) -> Bool {
        guard let pointer = part.bytes.pointer.baseAddress, part.bytes.byteCount > 0,
            Int(bitPattern: pointer) % format.blockByteCount == 0
        else { return false }
        guard let scales = part.scales else { return true }
        return scales.byteCount > 0 && Int(bitPattern: scales.pointer.baseAddress) % MemoryLayout<Float>.size == 0
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

    /// Copies the parts one behind the other into one buffer and lets go of the host's pages.
    func upload(_ parts: [HostBytes]) throws -> [Place] {
        guard !parts.isEmpty else { return [] }
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
        staging.reset()
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
