/// Runs the program in a pickle on a stack of values. It can call only what makes tensors. (`pickletools.py` of CPython
/// describes the opcodes)
///
/// Bounded: a program makes at most one value for each of its bytes, and reads none of them twice.
struct PickleProgram {
    /// All values that were made.
    private(set) var values: [PickleValue] = []
    private var stack: [Int] = []
    private var marks: [Int] = []
    private var memo: [Int: Int] = [:]
    private let bytes: UnsafeRawBufferPointer
    private let path: String
    /// The place of the next opcode; after `run`, the byte behind the program.
    private(set) var position: Int

    /// The most bytes that a program may have.
    static let maximumByteCount = 1 << 24
    private let end: Int

    /// - Parameter start: where in `bytes` the program begins.
    init(_ bytes: UnsafeRawBufferPointer, at start: Int = 0, path: String) {
        self.bytes = bytes
        self.path = path
        position = start
        end = min(bytes.count, start + PickleProgram.maximumByteCount)
    }

    /// Runs to the program's end.
    /// - Returns: the index of the value that it makes.
    /// - Throws: `LoadError.invalidFile`, naming what is refused.
    mutating func run() throws -> Int {
        while true {
            let opcode = try byte()
            if opcode == UInt8(ascii: ".") {
                return try pop()
            }
            try step(opcode)
        }
    }

    func broken(_ reason: String) -> LoadError { .invalidFile(path: path, reason: "as a pickle, \(reason)") }

    // MARK: Reading

    private mutating func byte() throws -> UInt8 {
        guard position < end else { throw broken("it ends before its end mark (truncated?)") }
        defer { position += 1 }
        return bytes[position]
    }

    private mutating func take(_ count: Int) throws -> Range<Int> {
        guard count >= 0, count <= end - position else {
            throw broken("a value of \(count) bytes reaches past its end (truncated?)")
        }
        defer { position += count }
        return position..<position + count
    }

    private mutating func integer<Value: FixedWidthInteger>(_: Value.Type) throws -> Int {
        let range = try take(MemoryLayout<Value>.size)
        let value = Value(littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: Value.self))
        guard let result = Int(exactly: value) else { throw broken("it holds the length \(value)") }
        return result
    }

    private mutating func line() throws -> String {
        let start = position
        while try byte() != UInt8(ascii: "\n") {}
        return String(decoding: bytes[start..<position - 1], as: UTF8.self)
    }

    private mutating func text(_ count: Int) throws -> String {
        String(decoding: bytes[try take(count)], as: UTF8.self)
    }

    /// A two's-complement number of `count` bytes. Only magic numbers are longer than eight; they are not needed.
    private mutating func long(_ count: Int) throws -> PickleValue {
        let range = try take(count)
        guard count <= 8 else { return .ignored }
        var value: UInt64 = 0
        for index in range.reversed() { value = value << 8 | UInt64(bytes[index]) }
        if count > 0, count < 8, bytes[range.upperBound - 1] & 0x80 != 0 { value |= ~0 << (8 * count) }
        return .integer(Int(Int64(bitPattern: value)))
    }

    // MARK: The stack

    private mutating func push(_ value: PickleValue) {
        stack.append(values.count)
        values.append(value)
    }

    private mutating func pop() throws -> Int {
        guard stack.count > (marks.last ?? 0), let top = stack.popLast() else { throw broken("its stack runs empty") }
        return top
    }

    private func top() throws -> Int {
        guard stack.count > (marks.last ?? 0), let top = stack.last else { throw broken("its stack runs empty") }
        return top
    }

    /// Removes the last mark and returns the values above it.
    private mutating func popToMark() throws -> [Int] {
        guard let mark = marks.popLast(), mark <= stack.count else { throw broken("it has no mark to go back to") }
        let items = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return items
    }

    private mutating func recall(_ index: Int) throws {
        guard let value = memo[index] else { throw broken("it recalls value \(index), which it never stored") }
        stack.append(value)
    }

    // MARK: Opcodes

    private mutating func step(_ opcode: UInt8) throws {
        switch opcode {
        case 0x80: _ = try byte()
        case 0x95: _ = try take(8)
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"):
            // If a mark is on top, it is removed instead of a value.
            if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"): stack.append(try top())
        case UInt8(ascii: "N"): push(.none)
        case 0x88: push(.bool(true))
        case 0x89: push(.bool(false))
        case UInt8(ascii: "p"), UInt8(ascii: "g"): try numberedMemo(opcode)
        case UInt8(ascii: "q"): memo[try integer(UInt8.self)] = try top()
        case UInt8(ascii: "r"): memo[try integer(UInt32.self)] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): try recall(integer(UInt8.self))
        case UInt8(ascii: "j"): try recall(integer(UInt32.self))
        default:
            if let value = try scalar(opcode) { return push(value) }
            if try container(opcode) { return }
            try call(opcode)
        }
    }

    private mutating func numberedMemo(_ opcode: UInt8) throws {
        guard let index = Int(try line()) else { throw broken("it stores a value under no number") }
        if opcode == UInt8(ascii: "p") { memo[index] = try top() } else { try recall(index) }
    }

    private mutating func scalar(_ opcode: UInt8) throws -> PickleValue? {
        switch opcode {
        case UInt8(ascii: "J"): return .integer(try integer(Int32.self))
        case UInt8(ascii: "K"): return .integer(try integer(UInt8.self))
        case UInt8(ascii: "M"): return .integer(try integer(UInt16.self))
        case UInt8(ascii: "I"):
            let text = try line()
            return text == "01" ? .bool(true) : text == "00" ? .bool(false) : Int(text).map { .integer($0) } ?? .ignored
        case UInt8(ascii: "L"):
            let text = try line()
            return Int(text.hasSuffix("L") ? String(text.dropLast()) : text).map { .integer($0) } ?? .ignored
        case 0x8A: return try long(try integer(UInt8.self))
        case 0x8B: return try long(try integer(UInt32.self))
        case UInt8(ascii: "F"): return .real(Double(try line()) ?? .nan)
        case UInt8(ascii: "G"):
            let range = try take(8)
            let bits = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self))
            return .real(Double(bitPattern: bits))
        case UInt8(ascii: "S"):
            return .string(String(try line().dropFirst().dropLast()))
        case UInt8(ascii: "V"): return .string(try line())
        case UInt8(ascii: "U"), 0x8C: return .string(try text(try integer(UInt8.self)))
        case UInt8(ascii: "T"), UInt8(ascii: "X"): return .string(try text(try integer(UInt32.self)))
        case 0x8D: return .string(try text(try integer(UInt64.self)))
        case UInt8(ascii: "C"): return .bytes(try take(try integer(UInt8.self)))
        case UInt8(ascii: "B"): return .bytes(try take(try integer(UInt32.self)))
        case 0x8E, 0x96: return .bytes(try take(try integer(UInt64.self)))
        case UInt8(ascii: "c"):
            let module = try line()
            return .global(try global(module, try line()))
        default: return nil
        }
    }

    private func global(_ module: String, _ name: String) throws -> PickleGlobal {
        guard let global = PickleGlobal(module: module, name: name) else {
            throw LoadError.invalidFile(
                path: path,
                reason: "asks Python to import \(printable(module)).\(printable(name)); only tensors are read from a "
                    + "pickle, so save the weights as safetensors")
        }
        return global
    }

    private mutating func container(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "]"), 0x8F: push(.list([]))
        case UInt8(ascii: "}"): push(.dictionary([]))
        case UInt8(ascii: ")"): push(.tuple([]))
        case UInt8(ascii: "l"), 0x91: push(.list(try popToMark()))
        case UInt8(ascii: "d"): push(.dictionary(try popToMark()))
        case UInt8(ascii: "t"): push(.tuple(try popToMark()))
        case 0x85, 0x86, 0x87:
            var items: [Int] = []
            for _ in 0..<opcode - 0x84 { items.append(try pop()) }
            push(.tuple(items.reversed()))
        case UInt8(ascii: "a"): try extend(with: [try pop()])
        case UInt8(ascii: "e"), 0x90: try extend(with: popToMark())
        case UInt8(ascii: "s"):
            let value = try pop()
            try extend(with: [try pop(), value])
        case UInt8(ascii: "u"): try extend(with: popToMark())
        default: return false
        }
        return true
    }

    /// Appends to the list, or the dictionary, on top of the stack.
    private mutating func extend(with items: [Int]) throws {
        let container = try top()
        switch values[container] {
        case .list(var elements):
            values[container] = .none
            elements += items
            values[container] = .list(elements)
        case .dictionary(var elements):
            guard items.count % 2 == 0 else { throw broken("a dictionary has a key without a value") }
            values[container] = .none
            elements += items
            values[container] = .dictionary(elements)
        case .ignored: break
        default: throw broken("it puts elements into a value that is no list and no dictionary")
        }
    }

    private mutating func call(_ opcode: UInt8) throws {
        switch opcode {
        case 0x93:
            let (name, module) = (values[try pop()], values[try pop()])
            guard case .string(let name) = name, case .string(let module) = module else {
                throw broken("it imports by a name that is no text")
            }
            push(.global(try global(module, name)))
        case UInt8(ascii: "Q"): push(.storage(try storage(try pop())))
        case UInt8(ascii: "R"), 0x81:
            let (arguments, function) = (values[try pop()], values[try pop()])
            guard case .tuple(let arguments) = arguments, case .global(let global) = function else {
                throw broken("it calls a value that is no function")
            }
            push(try result(of: global, arguments))
        // The state of an OrderedDict or a parameter holds versions of its parts, which no tensor needs.
        case UInt8(ascii: "b"):
            _ = try pop()
            _ = try top()
        default:
            throw broken(
                "it has the operation 0x\(String(opcode, radix: 16)) at byte \(position - 1), which is not read")
        }
    }
}
