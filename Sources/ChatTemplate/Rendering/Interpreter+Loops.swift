/// `for` loops, recursive ones too.
extension Interpreter {
    func runLoop(_ loop: ForLoop) throws -> Flow {
        try runLoop(loop, over: evaluate(loop.iterable), depth0: 0)
    }

    private func runLoop(_ loop: ForLoop, over iterable: Value, depth0: Int) throws -> Flow {
        var chosen = try items(of: iterable)
        let outer = scope
        if let test = loop.test {
            chosen = try chosen.filter { item in
                try within(Scope(parent: outer)) {
                    try assign(item, to: loop.target)
                    return try evaluate(test).isTrue
                }
            }
        }
        let state = LoopValue(try ListValue(chosen), depth0: depth0)
        if loop.isRecursive { makeRecursive(state, loop, from: outer) }
        var ranToItsEnd = false
        for (index, item) in chosen.enumerated() {
            try budget.spend()
            state.index0 = index
            let inner = Scope(parent: outer)
            inner.variables["loop"] = .loop(state)
            let flow = try within(inner) {
                try assign(item, to: loop.target)
                return try execute(loop.body)
            }
            if flow == .breakLoop { break }
            if flow == .normal { ranToItsEnd = true }
        }
        // As compiled by Jinja, a body that every time ends by break or continue counts as one that never ran.
        guard !ranToItsEnd, !loop.otherwise.isEmpty else { return .normal }
        return try within(Scope(parent: outer)) { try execute(loop.otherwise) }
    }

    private func makeRecursive(_ state: LoopValue, _ loop: ForLoop, from outer: Scope) {
        remember(state)
        state.recurse = { [unowned self] iterable, depth0 in
            try budget.enter()
            defer { budget.leave() }
            let before = output
            output = []
            defer { output = before }
            _ = try within(outer) { try runLoop(loop, over: iterable, depth0: depth0) }
            return .string(Text(output, isMarkup: escapesOutput))
        }
    }
}
