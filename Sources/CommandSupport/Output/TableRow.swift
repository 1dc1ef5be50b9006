/// One row of a table: fields for machines under stable names, and the cells that a person reads.
package struct TableRow: Sendable, Hashable {
    package enum Value: Sendable, Hashable {
        case text(String)
        case integer(Int)
        case real(Double)
        /// Only in JSON; the flat formats leave lists out.
        case reals([Double])
    }

    package struct Field: Sendable, Hashable {
        package let name: String
        package let value: Value

        var isList: Bool { if case .reals = value { true } else { false } }
    }

    package struct Cell: Sendable, Hashable {
        package let title: String
        package let text: String
        package let isNumber: Bool
    }

    package private(set) var fields: [Field] = []
    package private(set) var cells: [Cell] = []

    package init() {}

    package mutating func add(_ name: String, _ text: String) { fields.append(Field(name: name, value: .text(text))) }
    package mutating func add(_ name: String, _ integer: Int) {
        fields.append(Field(name: name, value: .integer(integer)))
    }
    package mutating func add(_ name: String, _ real: Double) { fields.append(Field(name: name, value: .real(real))) }
    package mutating func add(_ name: String, _ reals: [Double]) {
        fields.append(Field(name: name, value: .reals(reals)))
    }

    /// A cell of text, set to the left.
    package mutating func show(_ title: String, _ text: String) {
        cells.append(Cell(title: title, text: text, isNumber: false))
    }

    /// A cell of numbers, set to the right.
    package mutating func show(number title: String, _ text: String) {
        cells.append(Cell(title: title, text: text, isNumber: true))
    }
}
