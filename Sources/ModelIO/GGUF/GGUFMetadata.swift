internal import TensorCore

/// The metadata of a GGUF file, with typed reads whose errors name the file and the key. An integer may have any of the
/// eight integer types: writers differ.
public struct GGUFMetadata: Sendable {
    public let path: String
    /// In the order of the file.
    public let keys: [String]
    private let values: [String: GGUFValue]
    /// Each value with its type, as the file stores it.
    let encoded: [String: HostBytes]

    init(path: String, keys: [String], values: [String: GGUFValue], encoded: [String: HostBytes]) {
        self.path = path
        self.keys = keys
        self.values = values
        self.encoded = encoded
    }

    public subscript(key: String) -> GGUFValue? { values[key] }

    /// A string, or `nil` where it is absent.
    public func optionalString(_ key: String) throws -> String? {
        guard let value = values[key] else { return nil }
        guard case .string(let string) = value else { throw invalid(key, "a string") }
        return string
    }

    public func string(_ key: String) throws -> String {
        guard let string = try optionalString(key) else { throw missing(key) }
        return string
    }

    /// True or false, or `nil` where it is absent.
    public func optionalBool(_ key: String) throws -> Bool? {
        guard let value = values[key] else { return nil }
        guard case .bool(let bool) = value else { throw invalid(key, "true or false") }
        return bool
    }

    /// An array, or `nil` where it is absent.
    public func optionalArray(_ key: String) throws -> GGUFArray? {
        guard let value = values[key] else { return nil }
        guard case .array(let array) = value else { throw invalid(key, "an array") }
        return array
    }

    /// An array of strings, or `nil` where it is absent.
    public func optionalStrings(_ key: String) throws -> GGUFArray? {
        guard let array = try optionalArray(key) else { return nil }
        guard array.elementType == .string else { throw invalid(key, "an array of strings") }
        return array
    }

    /// An array of integers, or `nil` where it is absent.
    public func optionalIntegers(_ key: String) throws -> [Int]? {
        guard let array = try optionalArray(key) else { return nil }
        guard let integers = array.integers() else { throw invalid(key, "an array of integers") }
        return integers
    }

    /// An array of numbers, or `nil` where it is absent.
    public func optionalNumbers(_ key: String) throws -> [Double]? {
        guard let array = try optionalArray(key) else { return nil }
        guard let numbers = array.numbers() else { throw invalid(key, "an array of numbers") }
        return numbers
    }

    /// An integer in `range`, or `nil` where it is absent.
    public func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = values[key] else { return nil }
        guard case .integer(let integer) = value, range.contains(integer) else {
            throw invalid(key, "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    /// A size that is the same for all layers: an integer in `1...maximum`, or an array of equal ones. `nil` where it is
    /// absent.
    public func optionalSize(_ key: String, maximum: Int = SizeLimit.width) throws -> Int? {
        guard case .array(let array)? = values[key] else { return try optionalInteger(key, in: 1...maximum) }
        guard let sizes = array.integers(), let first = sizes.first, (1...maximum).contains(first) else {
            throw invalid(key, "an integer from 1 to \(maximum), or one for each layer")
        }
        guard sizes.allSatisfy({ $0 == first }) else {
            throw LoadError.unsupportedValue(
                path: path, key: key, value: "different for each layer", supported: ["one size for all layers"])
        }
        return first
    }

    public func size(_ key: String, maximum: Int = SizeLimit.width) throws -> Int {
        guard let size = try optionalSize(key, maximum: maximum) else { throw missing(key) }
        return size
    }

    /// A finite number in `range`, or `nil` where it is absent.
    public func optionalNumber(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let value = values[key] else { return nil }
        let number: Double? =
            switch value {
            case .integer(let integer): Double(integer)
            case .real(let real): real
            default: nil
            }
        guard let number, range.contains(number) else { throw invalid(key, NumberRange.name(range)) }
        return number
    }

    public func number(_ key: String, in range: ClosedRange<Double>) throws -> Double {
        guard let number = try optionalNumber(key, in: range) else { throw missing(key) }
        return number
    }

    /// A token's id; `nil` where it is absent or all ones, which writers use for "none".
    public func optionalToken(_ key: String) throws -> Int? {
        if case .integer(let value)? = values[key], value == Int(UInt32.max) || value == -1 { return nil }
        return try optionalInteger(key, in: 0...SizeLimit.vocabulary - 1)
    }

    /// The error that says the value of `key` should have been `expected`.
    public func invalid(_ key: String, _ expected: String) -> LoadError {
        .invalidValue(path: path, key: key, expected: expected, found: values[key]?.summary ?? "nothing")
    }

    /// The error that says `key` is missing.
    public func missing(_ key: String) -> LoadError { .missingKey(path: path, keys: [key]) }
}
