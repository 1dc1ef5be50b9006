/// Names and their values; a scope reads what it lacks from the one around it.
final class Scope {
    var variables: [String: Value] = [:]
    let parent: Scope?

    init(parent: Scope?) { self.parent = parent }

    func lookUp(_ name: String) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.variables[name] { return value }
            scope = current.parent
        }
        return nil
    }
}

/// Runs a parsed template once. Lives on one thread.
final class Interpreter {
    let budget: Budget
    let date: TemplateDate
    let root: Scope
    var scope: Scope
    /// The line being run, for errors.
    var line = 1
    var output: [Unicode.Scalar] = []
    var escapesOutput = false
    /// What may be part of a cycle of references, to be taken apart at the end.
    private var namespaces: [NamespaceValue] = []
    private var callables: [CallableValue] = []
    private var loops: [LoopValue] = []

    enum Flow { case normal, breakLoop, continueLoop }

    init(budget: Budget, date: TemplateDate, variables: [(String, Value)]) {
        self.budget = budget
        self.date = date
        let globals = Scope(parent: nil)
        root = Scope(parent: globals)
        scope = root
        globals.variables = makeGlobals()
        for (name, value) in variables { root.variables[name] = value }
    }

    func run(_ body: [Statement]) throws -> String {
        _ = try execute(body)
        return Text(output).string
    }

    func track(_ namespace: NamespaceValue) -> Value {
        namespaces.append(namespace)
        return .namespace(namespace)
    }

    func track(_ callable: CallableValue) -> Value {
        callables.append(callable)
        return .callable(callable)
    }

    func remember(_ loop: LoopValue) { loops.append(loop) }

    /// Frees what holds itself: macros and their scopes, namespaces that were put into one another. One at a time, so
    /// that no long chain is freed by recursion.
    func releaseCycles() {
        scope = root
        root.variables = [:]
        root.parent?.variables = [:]
        for namespace in namespaces { namespace.members = [:] }
        for callable in callables {
            callable.body = nil
            callable.member = nil
        }
        for loop in loops {
            loop.recurse = nil
            loop.lastChanged = nil
        }
    }

    // MARK: Statements

    func execute(_ body: [Statement]) throws -> Flow {
        try budget.enter()
        defer { budget.leave() }
        for statement in body {
            try budget.spend()
            line = statement.line
            let flow = try execute(statement.kind)
            if flow != .normal { return flow }
        }
        return .normal
    }

    private func execute(_ statement: Statement.Kind) throws -> Flow {
        switch statement {
        case .text(let text):
            try budget.allocate(text.count)
            output += text
        case .output(let expressions): for expression in expressions { try write(evaluate(expression)) }
        case .set(let target, let expression): try assign(evaluate(expression), to: target)
        case .setBlock(let target, let filter, let body): try setBlock(target, filter, body)
        case .ifElse(let branches, let otherwise):
            for branch in branches where try evaluate(branch.test).isTrue {
                return try execute(branch.body)
            }
            return try execute(otherwise)
        case .forLoop(let loop): return try runLoop(loop)
        case .with(let assignments, let body):
            let inner = Scope(parent: scope)
            for (target, expression) in assignments {
                let value = try evaluate(expression)
                try within(inner) { try assign(value, to: target) }
            }
            return try within(inner) { try execute(body) }
        case .macro(let macro): scope.variables[macro.name] = makeMacro(macro)
        case .callBlock(let macro, let call): try callBlock(macro, call)
        case .filterBlock(let filter, let body):
            let (flow, text) = try captured(body)
            try write(evaluate(filter, input: text))
            return flow
        case .scoped(let body, let startsAtRoot):
            return try within(Scope(parent: startsAtRoot ? root : scope)) { try execute(body) }
        case .autoescape(let value, let body):
            let before = escapesOutput
            defer { escapesOutput = before }
            escapesOutput = try evaluate(value).isTrue
            return try within(Scope(parent: scope)) { try execute(body) }
        case .expression(let expression): _ = try evaluate(expression)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        case .otherTemplate(let tag):
            throw TemplateFailure.type("\(tag): a chat template has no loader for other templates")
        }
        return .normal
    }

    private func write(_ value: Value) throws {
        if escapesOutput {
            let escaped = try escape(text(value))
            try budget.allocate(escaped.count)
            output += escaped.scalars
        } else {
            try append(value, to: &output)
        }
    }

    func within<R>(_ inner: Scope, _ body: () throws -> R) rethrows -> R {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try body()
    }

    /// What a body writes, in a scope of its own.
    private func captured(_ body: [Statement]) throws -> (Flow, Value) {
        let outer = output
        output = []
        defer { output = outer }
        let flow = try within(Scope(parent: scope)) { try execute(body) }
        return (flow, .string(Text(output, isMarkup: escapesOutput)))
    }

    private func setBlock(_ target: AssignmentTarget, _ filter: Expression?, _ body: [Statement]) throws {
        let (_, text) = try captured(body)
        try assign(filter.map { try evaluate($0, input: text) } ?? text, to: target)
    }

    private func callBlock(_ macro: Macro, _ call: Expression) throws {
        guard case .call(let function, let arguments) = call.kind else { return }
        let caller = makeMacro(macro)
        var evaluated = try evaluate(arguments)
        let callee = try evaluate(function)
        evaluated.keyword.append(("caller", caller))
        try write(self.call(callee, evaluated))
    }

    func assign(_ value: Value, to target: AssignmentTarget) throws {
        switch target {
        case .name(let name): scope.variables[name] = value
        case .namespace(let name, let attribute):
            guard case .namespace(let namespace) = try resolve(name) else {
                throw TemplateFailure.runtime("cannot assign attribute on non-namespace object")
            }
            try checkNamespaceName(attribute)
            namespace.set(attribute, value)
        case .tuple(let targets):
            let items = try items(of: value)
            guard items.count >= targets.count else {
                throw TemplateFailure.value(
                    "not enough values to unpack (expected \(targets.count), got \(items.count))")
            }
            guard items.count == targets.count else {
                throw TemplateFailure.value("too many values to unpack (expected \(targets.count))")
            }
            for (target, item) in zip(targets, items) { try assign(item, to: target) }
        }
    }

    func checkNamespaceName(_ name: String) throws {
        guard name.hasPrefix("_") else { return }
        throw TemplateFailure.security(
            "chat templates cannot store underscore-prefixed attributes on a namespace, but got '\(name)'")
    }
}
