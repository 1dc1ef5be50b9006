import Glibc

extension Interpreter {
    func binary(_ operation: BinaryOperator, _ left: Value, _ right: Value) throws -> Value {
        if case .undefined(let undefined) = left { throw undefined.failure }
        if operation == .modulo, case .string(let format) = left { return try formatPercent(format, right) }
        if case .undefined(let undefined) = right { throw undefined.failure }
        if let result = try sequenceOperation(operation, left, right) { return result }
        if let left = left.integer, let right = right.integer { return try integerOperation(operation, left, right) }
        if let left = left.number, let right = right.number { return try floatOperation(operation, left, right) }
        throw TemplateFailure.type(
            "unsupported operand type(s) for \(operation.rawValue): '\(left.typeName)' and '\(right.typeName)'")
    }

    private func sequenceOperation(_ operation: BinaryOperator, _ left: Value, _ right: Value) throws -> Value? {
        switch (operation, left, right) {
        case (.add, .string(let left), .string(let right)):
            try budget.allocate(left.count + right.count)
            guard left.isMarkup || right.isMarkup else { return .string(Text(left.scalars + right.scalars)) }
            return .string(Text(try escape(left).scalars + escape(right).scalars, isMarkup: true))
        case (.add, .string, _):
            throw TemplateFailure.type("can only concatenate str (not \"\(right.typeName)\") to str")
        case (.add, .list(let left), .list(let right)):
            try budget.allocate(left.items.count + right.items.count)
            return .list(try ListValue(left.items + right.items))
        case (.add, .tuple(let left), .tuple(let right)):
            try budget.allocate(left.items.count + right.items.count)
            return .tuple(try ListValue(left.items + right.items))
        case (.multiply, .string, _), (.multiply, .list, _), (.multiply, .tuple, _):
            guard let count = right.integer else {
                throw TemplateFailure.type("can't multiply sequence by non-int of type '\(right.typeName)'")
            }
            return try repeated(left, count)
        case (.multiply, _, .string), (.multiply, _, .list), (.multiply, _, .tuple):
            guard let count = left.integer else {
                throw TemplateFailure.type("can't multiply sequence by non-int of type '\(left.typeName)'")
            }
            return try repeated(right, count)
        default: return nil
        }
    }

    private func repeated(_ value: Value, _ count: Int) throws -> Value {
        func total(_ size: Int) throws -> Int {
            let (product, overflow) = size.multipliedReportingOverflow(by: max(count, 0))
            try budget.allocate(overflow ? Int.max : product)
            return product
        }
        switch value {
        case .string(let text):
            let size = try total(text.count)
            var result: [Unicode.Scalar] = []
            result.reserveCapacity(size)
            if size > 0 { for _ in 0..<count { result += text.scalars } }
            return .string(Text(result, isMarkup: text.isMarkup))
        case .list(let list), .tuple(let list):
            var result: [Value] = []
            if try total(list.items.count) > 0 { for _ in 0..<count { result += list.items } }
            let repeated = try ListValue(result)
            if case .list = value { return .list(repeated) }
            return .tuple(repeated)
        default: return value
        }
    }

    private func integerOperation(_ operation: BinaryOperator, _ left: Int, _ right: Int) throws -> Value {
        let result: (partialValue: Int, overflow: Bool)
        switch operation {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide:
            guard right != 0 else { throw divisionByZero("division by zero") }
            return .float(Double(left) / Double(right))
        case .floorDivide, .modulo:
            guard right != 0 else { throw divisionByZero("integer division or modulo by zero") }
            let divided = left.dividedReportingOverflow(by: right)
            let remainder = divided.overflow ? 0 : left % right
            let isRounded = remainder != 0 && (remainder < 0) != (right < 0)
            if operation == .modulo { return .int(isRounded ? remainder + right : remainder) }
            result = (isRounded ? divided.partialValue - 1 : divided.partialValue, divided.overflow)
        case .power:
            if right < 0 { return try floatOperation(.power, Double(left), Double(right)) }
            result = power(left, right)
        }
        guard !result.overflow else {
            throw TemplateFailure.python(
                kind: "OverflowError", message: "integers beyond 64 bits are not supported in templates")
        }
        return .int(result.partialValue)
    }

    private func power(_ base: Int, _ exponent: Int) -> (partialValue: Int, overflow: Bool) {
        if base == 0 || base == 1 { return (exponent == 0 ? 1 : base, false) }
        if base == -1 { return (exponent % 2 == 0 ? 1 : -1, false) }
        guard exponent < 64 else { return (0, true) }
        var result = 1
        for _ in 0..<exponent {
            let (product, overflow) = result.multipliedReportingOverflow(by: base)
            if overflow { return (0, true) }
            result = product
        }
        return (result, false)
    }

    private func divisionByZero(_ message: String) -> TemplateFailure {
        .python(kind: "ZeroDivisionError", message: message)
    }

    private func floatOperation(_ operation: BinaryOperator, _ left: Double, _ right: Double) throws -> Value {
        switch operation {
        case .add: return .float(left + right)
        case .subtract: return .float(left - right)
        case .multiply: return .float(left * right)
        case .divide:
            guard right != 0 else { throw divisionByZero("float division by zero") }
            return .float(left / right)
        case .floorDivide:
            guard right != 0 else { throw divisionByZero("float floor division by zero") }
            return .float(((left - floorModulo(left, right)) / right).rounded())
        case .modulo:
            guard right != 0 else { throw divisionByZero("float modulo") }
            return .float(floorModulo(left, right))
        case .power:
            guard left != 0 || right >= 0 else {
                throw divisionByZero("0.0 cannot be raised to a negative power")
            }
            return .float(pow(left, right))
        }
    }

    private func floorModulo(_ left: Double, _ right: Double) -> Double {
        let remainder = fmod(left, right)
        if remainder == 0 { return Double(signOf: right, magnitudeOf: 0) }
        return (remainder < 0) == (right < 0) ? remainder : remainder + right
    }

    func negate(_ value: Value, isPlus: Bool) throws -> Value {
        if case .undefined(let undefined) = value { throw undefined.failure }
        if let integer = value.integer {
            if isPlus { return .int(integer) }
            let (negated, overflow) = 0.subtractingReportingOverflow(integer)
            return overflow ? .float(-Double(integer)) : .int(negated)
        }
        switch value {
        case .float(let double): return .float(isPlus ? double : -double)
        case .largeInteger(let digits):
            return .largeInteger(
                isPlus ? digits : digits.hasPrefix("-") ? Text(digits.scalars[1...]) : Text(["-"] + digits.scalars))
        default:
            throw TemplateFailure.type("bad operand type for unary \(isPlus ? "+" : "-"): '\(value.typeName)'")
        }
    }

    /// `markupsafe.escape`.
    func escape(_ text: Text) throws -> Text {
        if text.isMarkup { return text }
        var result: [Unicode.Scalar] = []
        for scalar in text.scalars {
            switch scalar {
            case "&": result += "&amp;".unicodeScalars
            case ">": result += "&gt;".unicodeScalars
            case "<": result += "&lt;".unicodeScalars
            case "'": result += "&#39;".unicodeScalars
            case "\"": result += "&#34;".unicodeScalars
            default: result.append(scalar)
            }
        }
        try budget.allocate(result.count)
        return Text(result, isMarkup: true)
    }

    // MARK: Items and attributes

    /// `object[index]`, else the attribute of that name.
    func item(_ object: Value, _ index: Value) throws -> Value {
        if case .undefined(let undefined) = object { throw undefined.failure }
        if case .dict(let dict) = object {
            if let key = try? HashKey(index), let value = dict[key] { return value }
        } else if let position = index.integer, let value = try element(object, position) {
            return value
        }
        if let name = index.text?.string, let value = try attributeOnly(object, name) { return value }
        return missing(object, index)
    }

    private func missing(_ object: Value, _ name: Value) -> Value {
        if let name = name.text {
            return .undefined(UndefinedValue("'\(object.objectName)' has no attribute \(name.representation)"))
        }
        let shown = (try? representation(name).string) ?? name.typeName
        return .undefined(UndefinedValue("\(object.objectName) has no element \(shown)"))
    }

    /// The element at `position`, from the end where that is negative; nil where there is none.
    private func element(_ object: Value, _ position: Int) throws -> Value? {
        func at(_ items: [Value]) -> Value? {
            let place = position < 0 ? position + items.count : position
            return items.indices.contains(place) ? items[place] : nil
        }
        switch object {
        case .list(let list), .tuple(let list): return at(list.items)
        case .range(let range): return at(range.items)
        case .string(let text):
            let place = position < 0 ? position + text.count : position
            guard text.scalars.indices.contains(place) else { return nil }
            return .string(Text([text.scalars[place]], isMarkup: text.isMarkup))
        default: return nil
        }
    }

    /// `object.name`, else the item of that name.
    func attribute(_ object: Value, _ name: String) throws -> Value {
        if case .undefined(let undefined) = object { throw undefined.failure }
        if let value = try attributeOnly(object, name) { return value }
        if case .dict(let dict) = object, let value = dict[name] { return value }
        return missing(object, .string(name))
    }

    func slice(_ object: Value, _ start: Value, _ stop: Value, _ step: Value) throws -> Value {
        if case .undefined(let undefined) = object { throw undefined.failure }
        func bound(_ value: Value) throws -> Int? {
            if value.isNone { return nil }
            guard let integer = value.integer else {
                throw TemplateFailure.type(
                    "slice indices must be integers or None or have an __index__ method")
            }
            return integer
        }
        let places: (Int) throws -> [Int] = { count in
            try Interpreter.slicePlaces(count: count, bound(start), bound(stop), bound(step))
        }
        switch object {
        case .string(let text):
            let chosen = try places(text.count)
            try budget.allocate(chosen.count)
            return .string(Text(chosen.map { text.scalars[$0] }, isMarkup: text.isMarkup))
        case .list(let list): return .list(try ListValue(try places(list.items.count).map { list.items[$0] }))
        case .tuple(let list): return .tuple(try ListValue(try places(list.items.count).map { list.items[$0] }))
        case .range(let range):
            let chosen = try places(range.count)
            let (stride, overflow) = range.step.multipliedReportingOverflow(by: try bound(step) ?? 1)
            guard !overflow, stride.magnitude < 1 << 40, range.start.magnitude < 1 << 40 else {
                throw TemplateFailure.python(kind: "OverflowError", message: "range step beyond 64 bits")
            }
            let first = range.start + (chosen.first ?? 0) * range.step
            return .range(try RangeValue(start: first, stop: first + chosen.count * stride, step: stride))
        // Jinja asks Python for a slice without its own rule that what is missing is undefined.
        case .dict: throw TemplateFailure.type("unhashable type: 'slice'")
        default: throw TemplateFailure.type("'\(object.typeName)' object is not subscriptable")
        }
    }

    /// Python's slices.
    static func slicePlaces(count: Int, _ start: Int?, _ stop: Int?, _ step: Int?) throws -> [Int] {
        let step = step ?? 1
        guard step != 0 else { throw TemplateFailure.value("slice step cannot be zero") }
        func clamp(_ place: Int, _ low: Int, _ high: Int) -> Int {
            let place = place < 0 ? max(place, -count - 1) + count : place
            return min(max(place, low), high)
        }
        if step > 0 {
            let first = start.map { clamp($0, 0, count) } ?? 0
            let end = stop.map { clamp($0, 0, count) } ?? count
            return first < end ? Array(stride(from: first, to: end, by: min(step, count + 1))) : []
        }
        let first = start.map { clamp($0, -1, count - 1) } ?? count - 1
        let end = stop.map { clamp($0, -1, count - 1) } ?? -1
        return first > end ? Array(stride(from: first, to: end, by: max(step, -count - 1))) : []
    }
}
