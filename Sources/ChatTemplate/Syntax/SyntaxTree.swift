/// An expression with the line it stands on. `depth` is bounded while parsing, so that evaluating cannot run out of
/// stack.
final class Expression: Sendable {
    let kind: Kind
    let line: Int
    let depth: Int

    init(_ kind: Kind, line: Int, depth: Int) {
        self.kind = kind
        self.line = line
        self.depth = depth
    }

    enum Kind: Sendable {
        case none
        case bool(Bool)
        case int(Int)
        case largeInteger(Text)
        case float(Double)
        case string(Text)
        case name(String)
        case list([Expression])
        case tuple([Expression])
        case dict([(key: Expression, value: Expression)])
        case attribute(Expression, String)
        case item(Expression, Expression)
        case slice(Expression?, Expression?, Expression?)
        case call(Expression, CallArguments)
        /// Without an input in `{% filter %}` and `{% set x | filter %}`: it filters the block.
        case filter(Expression?, name: String, CallArguments)
        case test(Expression, name: String, CallArguments)
        case negate(Expression)
        case plus(Expression)
        case not(Expression)
        case binary(BinaryOperator, Expression, Expression)
        case concatenate([Expression])
        case compare(Expression, [(comparison: ComparisonOperator, operand: Expression)])
        case and(Expression, Expression)
        case or(Expression, Expression)
        case conditional(Expression, then: Expression, otherwise: Expression?)
    }
}

struct CallArguments: Sendable {
    var positional: [Expression] = []
    var keyword: [(name: String, value: Expression)] = []
    var starred: Expression?
    var doubleStarred: Expression?

    var all: [Expression] {
        positional + keyword.map(\.value) + [starred, doubleStarred].compactMap { $0 }
    }
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "** or pow()"
}

enum ComparisonOperator: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case `in`
    case notIn = "not in"
}

/// What an assignment stores to.
indirect enum AssignmentTarget: Sendable {
    case name(String)
    case namespace(String, String)
    case tuple([AssignmentTarget])
}

/// The parameters of a macro or of a `call` block.
struct Signature: Sendable {
    var names: [String] = []
    /// Of the last parameters.
    var defaults: [Expression] = []
}

struct Statement: Sendable {
    let kind: Kind
    let line: Int

    indirect enum Kind: Sendable {
        case text([Unicode.Scalar])
        case output([Expression])
        case set(AssignmentTarget, Expression)
        case setBlock(AssignmentTarget, filter: Expression?, [Statement])
        case ifElse([(test: Expression, body: [Statement])], otherwise: [Statement])
        case forLoop(ForLoop)
        case with([(AssignmentTarget, Expression)], [Statement])
        case macro(Macro)
        case callBlock(Macro, Expression)
        case filterBlock(Expression, [Statement])
        /// A block or a `generation` tag: a scope of its own.
        case scoped([Statement], startsAtRoot: Bool)
        case autoescape(Expression, [Statement])
        case expression(Expression)
        case breakLoop
        case continueLoop
        /// `include`, `import`, `from`, `extends`: a template has no other to load.
        case otherTemplate(String)
    }
}

struct ForLoop: Sendable {
    var target: AssignmentTarget
    var iterable: Expression
    var test: Expression?
    var isRecursive: Bool
    var body: [Statement]
    var otherwise: [Statement]
}

struct Macro: Sendable {
    var name: String
    var signature: Signature
    var body: [Statement]
    /// Which of the special names `caller`, `kwargs` and `varargs` the body reads.
    var specials: Set<String>
}
