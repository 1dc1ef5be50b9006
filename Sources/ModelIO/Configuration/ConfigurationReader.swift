/// Typed reads from one object of a configuration file. `null` counts as absent; of several spellings of a key, the
/// first one that is present counts.
public struct ConfigurationReader: Sendable {
    public let source: any ConfigurationSource
    public let path: String
    /// The prefix of keys in errors, such as `rope_scaling.`.
    public let prefix: String
    /// Where keys are looked up that `source` does not have.
    private let defaults: (any ConfigurationSource)?

    public init(
        _ source: any ConfigurationSource, path: String, prefix: String = "",
        defaults: (any ConfigurationSource)? = nil
    ) {
        self.source = source
        self.path = path
        self.prefix = prefix
        self.defaults = defaults
    }

    /// The value of the first key that is present and not null.
    public func value(_ keys: String...) -> (key: String, value: ConfigurationValue)? { value(among: keys) }

    /// A reader of the object under `key`, or `nil` where it is absent.
    public func object(_ key: String) throws -> ConfigurationReader? {
        guard let (key, value) = value(key) else { return nil }
        guard let object = value.object else { throw invalid(key, value, expected: "an object") }
        return ConfigurationReader(object, path: path, prefix: prefix + key + ".")
    }

    /// An integer in `1...maximum`.
    public func size(_ keys: String..., maximum: Int = SizeLimit.width) throws -> Int {
        guard let size = try integer(keys, 1...maximum) else { throw missing(keys) }
        return size
    }

    /// An integer in `1...maximum`, or `nil` where it is absent.
    public func optionalSize(_ keys: String..., maximum: Int = SizeLimit.width) throws -> Int? {
        try integer(keys, 1...maximum)
    }

    /// An integer in `range`, or `nil` where it is absent.
    public func optionalInteger(_ keys: String..., in range: ClosedRange<Int>) throws -> Int? {
        try integer(keys, range)
    }

    /// A finite number in `range`.
    public func number(_ keys: String..., in range: ClosedRange<Double> = NumberRange.finite) throws -> Double {
        guard let number = try number(keys, range) else { throw missing(keys) }
        return number
    }

    /// A finite number in `range`, or `nil` where it is absent.
    public func optionalNumber(_ keys: String..., in range: ClosedRange<Double> = NumberRange.finite) throws -> Double?
    {
        try number(keys, range)
    }

    /// True or false; `default` where it is absent.
    public func flag(_ keys: String..., default: Bool) throws -> Bool {
        guard let (key, value) = value(among: keys) else { return `default` }
        guard let flag = value.bool else { throw invalid(key, value, expected: "true or false") }
        return flag
    }

    /// A string.
    public func string(_ keys: String...) throws -> String {
        guard let string = try string(among: keys) else { throw missing(keys) }
        return string
    }

    /// A string, or `nil` where it is absent.
    public func optionalString(_ keys: String...) throws -> String? { try string(among: keys) }

    /// An array of strings, or `nil` where it is absent.
    public func strings(_ key: String) throws -> [String]? {
        guard let (key, value) = value(key) else { return nil }
        return try elements(of: value, key, expected: "an array of strings", \.string)
    }

    /// An array of integers in `range`, or `nil` where it is absent.
    public func integers(_ key: String, in range: ClosedRange<Int>) throws -> [Int]? {
        guard let (key, value) = value(key) else { return nil }
        let expected = "an array of integers from \(range.lowerBound) to \(range.upperBound)"
        return try elements(of: value, key, expected: expected) { element in
            element.integral.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// The elements of an array as `read` has them; the error names the first that is `nil`.
    private func elements<Element>(
        of value: ConfigurationValue, _ key: String, expected: String, _ read: (ConfigurationValue) -> Element?
    ) throws -> [Element] {
        guard let array = value.array else { throw invalid(key, value, expected: expected) }
        return try array.enumerated().map { index, element in
            guard let element = read(element) else {
                throw LoadError.invalidValue(
                    path: path, key: prefix + key, expected: expected,
                    found: "an array whose element \(index) is \(element.summary)")
            }
            return element
        }
    }

    /// The error that says `value` should have been `expected`.
    public func invalid(_ key: String, _ value: ConfigurationValue, expected: String) -> LoadError {
        .invalidValue(path: path, key: prefix + key, expected: expected, found: value.summary)
    }

    /// The error that says none of `keys` is there.
    public func missing(_ keys: [String]) -> LoadError {
        .missingKey(path: path, keys: keys.map { prefix + $0 })
    }

    private func value(among keys: [String]) -> (key: String, value: ConfigurationValue)? {
        var isNull = false
        for key in keys {
            guard let value = source.value(of: key) else { continue }
            if !value.isNull { return (key, value) }
            isNull = true
        }
        // A key with the value null means "none", not the default.
        guard let defaults, !isNull else { return nil }
        for key in keys {
            if let value = defaults.value(of: key), !value.isNull { return (key, value) }
        }
        return nil
    }

    private func integer(_ keys: [String], _ range: ClosedRange<Int>) throws -> Int? {
        guard let (key, value) = value(among: keys) else { return nil }
        let expected =
            range.lowerBound == 1
            ? "a positive integer up to \(range.upperBound)"
            : "an integer from \(range.lowerBound) to \(range.upperBound)"
        guard let integer = value.integral, range.contains(integer) else {
            // If the value is not even an integer, the error says so and leaves the bounds out.
            let plain = range.lowerBound == 1 ? "a positive integer" : "an integer"
            throw invalid(key, value, expected: (value.integral ?? 0) > range.upperBound ? expected : plain)
        }
        return integer
    }

    private func number(_ keys: [String], _ range: ClosedRange<Double>) throws -> Double? {
        guard let (key, value) = value(among: keys) else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw invalid(key, value, expected: NumberRange.name(range))
        }
        return number
    }

    private func string(among keys: [String]) throws -> String? {
        guard let (key, value) = value(among: keys) else { return nil }
        guard let string = value.string else { throw invalid(key, value, expected: "a string") }
        return string
    }
}

extension ConfigurationValue {
    /// A whole number, which tools in other languages may write as `64.0`.
    var integral: Int? {
        if let int { return int }
        guard case .real(let double) = self, double == double.rounded(), abs(double) < 0x1p53 else { return nil }
        return Int(double)
    }
}

/// The ranges of numbers in configurations.
public enum NumberRange {
    public static let finite = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
    public static let positive = Double.leastNormalMagnitude...Double.greatestFiniteMagnitude
    public static let nonNegative = 0...Double.greatestFiniteMagnitude
    public static let upToOne = Double(Float.leastNormalMagnitude)...1

    static func name(_ range: ClosedRange<Double>) -> String {
        switch range {
        case finite: "a finite number"
        case positive: "a positive number"
        case nonNegative: "a number from 0 on"
        case upToOne: "a number over 0 and up to 1"
        default: "a number from \(range.lowerBound) to \(range.upperBound)"
        }
    }
}
