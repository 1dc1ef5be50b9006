/// A launch that waits to be run.
struct RecordedLaunch {
    /// Tables keep descriptors for good, so that many launches need not count who holds them.
    private let unmanagedDescriptor: Unmanaged<KernelDescriptor>
    let range: LaunchRange
    let cost: LaunchCost

    var descriptor: KernelDescriptor { unmanagedDescriptor.takeUnretainedValue() }
    /// Which kernel it is.
    var id: ObjectIdentifier { ObjectIdentifier(descriptor) }

    init(descriptor: KernelDescriptor, range: LaunchRange, cost: LaunchCost) {
        unmanagedDescriptor = .passUnretained(descriptor)
        self.range = range
        self.cost = cost
    }
}

/// Launches that wait, as the commands that Kernels/chain/run_chain.cl takes.
struct RecordedLaunches {
    static let commandWordCount = 64
    static let headerWordCount = 8
    static let argumentWordCount = commandWordCount - headerWordCount

    /// The commands; the numbers of functions, and addresses that were not known, are still 0.
    private(set) var words: [UInt64] = []
    private(set) var launches: [RecordedLaunch] = []
    /// The words that hold buffers' addresses, in order.
    private(set) var buffers: [(word: Int, buffer: OpenCLBuffer)] = []
    /// Those of them whose addresses were not known.
    private(set) var unplaced: [(word: Int, buffer: OpenCLBuffer)] = []
    /// The most local memory that one of them needs.
    private(set) var localByteCount = 0

    var count: Int { launches.count }
    var isEmpty: Bool { launches.isEmpty }

    /// Starts a command, whose arguments follow.
    mutating func begin(_ launch: RecordedLaunch) {
        pad()
        let (x, y, z) = launch.range.global
        launches.append(launch)
        words.append(0)
        words.append(UInt64(x * y * z))
        words.append(UInt64(x))
        words.append(UInt64(y))
        for _ in 4..<Self.headerWordCount { words.append(0) }
    }

    /// A number, or without `value` local memory of so many bytes.
    mutating func append(_ byteCount: Int, _ value: UnsafeRawPointer?) {
        guard let value else {
            localByteCount = max(localByteCount, byteCount)
            return words.append(UInt64(byteCount))
        }
        words.append(byteCount == 8 ? value.load(as: UInt64.self) : UInt64(value.load(as: UInt32.self)))
    }

    mutating func append(_ buffer: OpenCLBuffer?, elementOffset: Int) {
        if let buffer {
            buffers.append((words.count, buffer))
            if buffer.deviceAddress == nil { unplaced.append((words.count, buffer)) }
        }
        words.append(buffer?.deviceAddress ?? 0)
        words.append(UInt64(elementOffset))
    }

    /// Fills the last command up.
    mutating func pad() {
        while words.count % Self.commandWordCount != 0 { words.append(0) }
    }

    mutating func setNumber(_ number: Int, of launch: Int) {
        words[launch * Self.commandWordCount] = UInt64(number)
    }

    mutating func setAddresses() {
        for (word, buffer) in unplaced { words[word] = buffer.deviceAddress ?? 0 }
    }

    /// Gives away what must be kept while the commands run.
    mutating func takeBuffers() -> [(word: Int, buffer: OpenCLBuffer)] {
        var taken: [(word: Int, buffer: OpenCLBuffer)] = []
        taken.reserveCapacity(buffers.count)
        swap(&taken, &buffers)
        return taken
    }

    mutating func removeAll() {
        words.removeAll(keepingCapacity: true)
        launches.removeAll(keepingCapacity: true)
        buffers.removeAll(keepingCapacity: true)
        unplaced.removeAll(keepingCapacity: true)
        localByteCount = 0
    }
}

/// What is known of chains on one backend.
struct LaunchChain {
    /// A program that runs launches of some kernels, and the numbers it gives them.
    struct Program {
        let numbers: [ObjectIdentifier: Int]
        let kernel: Kernel
    }

    var pending = RecordedLaunches()
    /// So many launches are recorded before they are run: twice as many as the chain before had, until the host waits.
    var ahead = 0
    /// Whether the driver did not compile a program.
    var isOff = false
    var programs: [Program] = []
    /// The commands of the chain that runs, and room for addresses that kernels tell; made with the first program.
    var commands: OpenCLBuffer?
    var addresses: OpenCLBuffer?
    /// Memory that enqueued chains use, which the driver knows nothing of.
    var inFlight: [[(word: Int, buffer: OpenCLBuffer)]] = []
}
