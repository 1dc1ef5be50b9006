/// What a rendering may still do. A template comes from strangers: it gets so many steps and so much memory.
final class Budget {
    private var steps: Int
    private var scalars: Int
    private var nesting = 0

    /// Nesting of evaluations that the thread's stack has room for.
    static let maximumNesting = 2_500

    /// - Parameter inputCount: code points in the variables; a longer conversation may cost more.
    init(inputCount: Int, limits: ChatTemplate.Limits) {
        steps = limits.steps + 64 * inputCount
        scalars = limits.characters + 64 * inputCount
    }

    func spend(_ count: Int = 1) throws {
        steps -= count
        if steps < 0 { throw TemplateFailure.limit("the steps that a template may take") }
    }

    /// Accounts for text that is made.
    func allocate(_ count: Int) throws {
        scalars -= count
        steps -= count >> 4
        if scalars < 0 || count < 0 { throw TemplateFailure.limit("the text that a template may make") }
        if steps < 0 { throw TemplateFailure.limit("the steps that a template may take") }
    }

    func enter() throws {
        nesting += 1
        guard nesting <= Budget.maximumNesting else {
            throw TemplateFailure.limit("\(Budget.maximumNesting) levels of nested calls")
        }
    }

    func leave() { nesting -= 1 }
}
