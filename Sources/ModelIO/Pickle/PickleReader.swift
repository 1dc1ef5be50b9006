internal import TensorCore

/// Reads a pickle that holds nothing but dictionaries of tensors (Python's `pickletools`, protocols 2 to 5). Nothing is
/// imported and nothing is called: what a pickle asks for beyond the few names that PyTorch's tensors need is an error.
struct PickleReader {
    private static let maximumDepth = 64

    private let bytes: [UInt8]
    private let path: String
    private var position = 0
    private var stack: [PickleValue] = []
    private var memo: [Int: PickleValue] = [:]

    /// The value that a pickle stands for.
    /// - Throws: `LoadError.invalidFile` naming what is no tensor.
    static func read(_ bytes: [UInt8], path: String) throws -> PickleValue {
        var reader = PickleReader(bytes: bytes, path: path)
        return try reader.run()
    }

    private init(bytes: [UInt8], path: String) {
        self.bytes = bytes
        self.path = path
    }

    private func broken(_ reason: String) -> LoadError {
        .invalidFile(path: path, reason: "is a pickle that \(reason); only tensors are read, nothing is run")
    }

    // MARK: Bytes

    private mutating func next(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - position else { throw broken("ends too soon") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    private mutating func unsigned(_ count: Int) throws -> Int {
        let value = try next(count).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let value = Int(exactly: value) else { throw broken("holds a number out of range") }
        return value
    }

    private mutating func line() throws -> String {
        guard let end = bytes[position...].firstIndex(of: 0x0A) else { throw broken("ends too soon") }
        let text = String(decoding: bytes[position..<end], as: UTF8.self)
        position = end + 1
        return text
    }

    private mutating func text(_ count: Int) throws -> PickleValue {
        .string(String(decoding: try next(count), as: UTF8.self))
    }

    /// A little-endian integer in two's complement.
    private mutating func long(_ count: Int) throws -> PickleValue {
        guard count <= 8 else { throw broken("holds a number out of range") }
        let part = try next(count)
        let isNegative = (part.last ?? 0) & 0x80 != 0
        var value: UInt64 = isNegative ? .max : 0
        for byte in part.reversed() { value = value << 8 | UInt64(byte) }
        return .integer(Int(Int64(bitPattern: value)))
    }

    // MARK: The stack

    private mutating func pop() throws -> PickleValue {
        guard let value = stack.popLast() else { throw broken("is damaged") }
        if case .mark = value { throw broken("is damaged") }
        return value
    }

    private mutating func popToMark() throws -> [PickleValue] {
        guard let mark = stack.lastIndex(where: { if case .mark = $0 { true } else { false } }) else {
            throw broken("is damaged")
        }
        let values = Array(stack[(mark + 1)...])
        stack.removeLast(stack.count - mark)
        return values
    }

    private func depth(over values: [PickleValue]) throws -> Int {
        let depth = 1 + (values.map(\.depth).max() ?? 0)
        guard depth <= PickleReader.maximumDepth else { throw broken("is nested too deeply") }
        return depth
    }

    private mutating func pushTuple(_ values: [PickleValue]) throws {
        stack.append(.tuple(values, depth: try depth(over: values)))
    }

    private mutating func pushTuple(popping count: Int) throws {
        var values: [PickleValue] = []
        for _ in 0..<count { values.append(try pop()) }
        try pushTuple(values.reversed())
    }

    private mutating func append(_ values: [PickleValue]) throws {
        guard case .list(var list, let old) = try pop() else { throw broken("appends to what is no list") }
        list += values
        stack.append(.list(list, depth: max(old, try depth(over: values))))
    }

    private mutating func setItems(_ values: [PickleValue]) throws {
        guard values.count.isMultiple(of: 2), case .dictionary(var members, let old) = try pop() else {
            throw broken("sets items of what is no dictionary")
        }
        for index in stride(from: 0, to: values.count, by: 2) { members.append((values[index], values[index + 1])) }
        stack.append(.dictionary(members, depth: max(old, try depth(over: values))))
    }

    private mutating func remember(_ key: Int) throws {
        // A container is remembered while it is empty, as Python's pickler does, so that no copies pile up.
        switch stack.last {
        case .list(let values, _)? where !values.isEmpty: throw broken("is damaged")
        case .dictionary(let members, _)? where !members.isEmpty: throw broken("is damaged")
        case nil: throw broken("is damaged")
        case let value: memo[key] = value
        }
    }

    private mutating func recall(_ key: Int) throws {
        guard let value = memo[key] else { throw broken("is damaged") }
        stack.append(value)
    }

    // MARK: Opcodes

    private mutating func run() throws -> PickleValue {
        while true {
            let opcode = try unsigned(1)
            // STOP
            if opcode == 0x2E { return try pop() }
            if try pushScalar(opcode) { continue }
            try runStackOperation(opcode)
        }
    }

    /// Opcodes that push a value which stands behind them.
    private mutating func pushScalar(_ opcode: Int) throws -> Bool {
        switch opcode {
        case 0x4E: stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case 0x4A: stack.append(try long(4))
        case 0x4B: stack.append(.integer(try unsigned(1)))
        case 0x4D: stack.append(.integer(try unsigned(2)))
        case 0x8A: stack.append(try long(try unsigned(1)))
        case 0x47:
            let bits = try next(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            stack.append(.real(Double(bitPattern: bits)))
        case 0x8C: stack.append(try text(try unsigned(1)))
        case 0x58: stack.append(try text(try unsigned(4)))
        case 0x8D: stack.append(try text(try unsigned(8)))
        case 0x29: stack.append(.tuple([], depth: 1))
        case 0x5D: stack.append(.list([], depth: 1))
        case 0x7D: stack.append(.dictionary([], depth: 1))
        case 0x28: stack.append(.mark)
        case 0x63: stack.append(.global(try line() + " " + line()))
        default: return false
        }
        return true
    }

    private mutating func runStackOperation(_ opcode: Int) throws {
        switch opcode {
        case 0x80: _ = try next(1)
        case 0x95: _ = try next(8)
        case 0x71: try remember(try unsigned(1))
        case 0x72: try remember(try unsigned(4))
        case 0x94: try remember(memo.count)
        case 0x68: try recall(try unsigned(1))
        case 0x6A: try recall(try unsigned(4))
        case 0x74: try pushTuple(try popToMark())
        case 0x85: try pushTuple(popping: 1)
        case 0x86: try pushTuple(popping: 2)
        case 0x87: try pushTuple(popping: 3)
        case 0x61: try append([try pop()])
        case 0x65: try append(try popToMark())
        case 0x73:
            let value = try pop()
            try setItems([try pop(), value])
        case 0x75: try setItems(try popToMark())
        case 0x93:
            guard let name = try pop().string, let module = try pop().string else { throw broken("is damaged") }
            stack.append(.global(module + " " + name))
        case 0x51: stack.append(.storage(try storage(of: try pop())))
        case 0x52:
            let arguments = try pop()
            stack.append(try call(try pop(), arguments))
        // The attributes of a dictionary (`_metadata`) say nothing of tensors.
        case 0x62: _ = try pop()
        default: throw broken("has an opcode \(opcode) that tensors do not need")
        }
    }

    // MARK: Tensors

    private func call(_ function: PickleValue, _ arguments: PickleValue) throws -> PickleValue {
        guard case .global(let name) = function, let arguments = arguments.tuple else { throw broken("is damaged") }
        switch name {
        case "collections OrderedDict" where arguments.isEmpty: return .dictionary([], depth: 1)
        case "torch Size" where arguments.count == 1: return arguments[0]
        case "torch._utils _rebuild_parameter" where !arguments.isEmpty: return arguments[0]
        case "torch._utils _rebuild_tensor_v2" where arguments.count >= 4:
            guard case .storage(let storage) = arguments[0], let offset = arguments[1].integer, offset >= 0,
                let extents = arguments[2].tuple, let strides = arguments[3].tuple
            else { throw broken("holds a damaged tensor") }
            let sizes = extents.compactMap(\.integer)
            let steps = strides.compactMap(\.integer)
            guard sizes.count == extents.count, steps.count == sizes.count else {
                throw broken("holds a damaged tensor")
            }
            return .tensor(PickledTensor(storage: storage, offset: offset, extents: sizes, strides: steps))
        default: throw broken("asks for '\(printable(name))'")
        }
    }

    /// `("storage", torch.FloatStorage, key, location, element count)`.
    private func storage(of value: PickleValue) throws -> PickledStorage {
        guard let parts = value.tuple, parts.count >= 5, parts[0].string == "storage",
            case .global(let kind) = parts[1],
            let key = parts[2].string, let count = parts[4].integer, count >= 0
        else { throw broken("holds a damaged storage") }
        guard let type = PickleReader.types[kind] else { throw broken("asks for '\(printable(kind))'") }
        return PickledStorage(type: type, key: key, elementCount: count)
    }

    private static let types: [String: StoredType] = [
        "torch FloatStorage": .float32, "torch HalfStorage": .float16, "torch BFloat16Storage": .bfloat16,
        "torch DoubleStorage": .float64, "torch LongStorage": .int64, "torch IntStorage": .int32,
        "torch ShortStorage": .int16, "torch CharStorage": .int8, "torch ByteStorage": .uint8,
        "torch BoolStorage": .bool,
    ]
}
