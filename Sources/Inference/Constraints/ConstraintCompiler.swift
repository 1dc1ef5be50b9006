package import Grammar
internal import Synchronization
package import Tokenization

/// Compiles constraints to automata over the tokens of one model, and keeps the ones used last with the token masks
/// that they have computed.
final class ConstraintCompiler: Sendable {
    private static let capacity = 16
    private static let maximumDepth = 64

    private struct State: Sendable {
        var vocabulary: TokenVocabulary?
        /// The automata that are kept, the one used last at the end.
        var automata: [(constraint: OutputConstraint, automaton: GrammarAutomaton)] = []
    }

    private let state = Mutex(State())

    /// Blocks while a new constraint is compiled: milliseconds mostly, and once about half a second for the vocabulary.
    /// - Throws: ``InferenceError/invalidConstraint(reason:)``, or `.tokenizerMissing`.
    func automaton(_ constraint: OutputConstraint, of package: ModelPackage) throws -> GrammarAutomaton {
        if let known = take(constraint) { return known }
        let vocabulary = try vocabulary(of: package)
        let made: GrammarAutomaton
        do {
            var builder = GrammarBuilder()
            builder.isCompact = true
            let form = try ConstraintCompiler.add(constraint.form, to: &builder, depth: 0)
            let root = try builder.addAfter(constraint.startsAfter, form, mayEnd: !constraint.requiresStart)
            made = try GrammarAutomaton(try builder.finished(root: root, at: "#"), vocabulary)
        } catch {
            throw InferenceError.invalidConstraint(reason: "\(error)")
        }
        state.withLock { state in
            state.automata.append((constraint, made))
            if state.automata.count > ConstraintCompiler.capacity { state.automata.removeFirst() }
        }
        return made
    }

    private func take(_ constraint: OutputConstraint) -> GrammarAutomaton? {
        state.withLock { state in
            guard let index = state.automata.firstIndex(where: { $0.constraint == constraint }) else { return nil }
            let entry = state.automata.remove(at: index)
            state.automata.append(entry)
            return entry.automaton
        }
    }

    func vocabulary(of package: ModelPackage) throws -> TokenVocabulary {
        try state.withLock { state in
            if let known = state.vocabulary { return known }
            guard let tokenizer = package.tokenizer else {
                throw InferenceError.tokenizerMissing(path: package.name)
            }
            let made = TokenVocabulary(tokenizer, endTokens: package.endOfSequenceTokens)
            state.vocabulary = made
            return made
        }
    }

    private static func add(
        _ form: OutputConstraint.Form, to builder: inout GrammarBuilder, depth: Int
    ) throws -> Int32 {
        guard depth < maximumDepth else {
            throw InferenceError.invalidConstraint(reason: "constraint nests deeper than \(maximumDepth) forms")
        }
        func all(_ forms: [OutputConstraint.Form], _ builder: inout GrammarBuilder) throws -> [Int32] {
            var nodes: [Int32] = []
            for form in forms { nodes.append(try add(form, to: &builder, depth: depth + 1)) }
            return nodes
        }
        switch form {
        case .jsonSchema(let schema): return try builder.addJSONSchema(schema)
        case .jsonObject: return try builder.addJSONSchema(#"{"type": "object"}"#)
        case .grammar(let text): return try builder.addGBNF(text)
        case .regex(let pattern): return try builder.addRegex(pattern)
        case .choices(let texts): return try builder.addChoices(texts)
        case .sequence(let forms): return try builder.addSequence(try all(forms, &builder))
        case .alternatives(let forms): return try builder.addChoice(try all(forms, &builder))
        case .repeated(let form, let separator):
            let part = try add(form, to: &builder, depth: depth + 1)
            return try builder.addRepeated(part, separator: try builder.addText(separator))
        }
    }
}

extension TokenVocabulary {
    /// The bytes of a tokenizer's tokens.
    package convenience init(_ tokenizer: Tokenizer, endTokens: Set<Int>) {
        var tokens: [[UInt8]] = []
        var controls: [Int32: [UInt8]] = [:]
        for id in 0..<tokenizer.vocabularySize {
            tokens.append(tokenizer.decodedBytes(of: id))
            if tokenizer.isSpecial(id), let spelling = tokenizer.token(for: id) {
                controls[Int32(id)] = Array(spelling.utf8)
            }
        }
        self.init(tokens: tokens, endTokens: Set(endTokens.map { Int32($0) }), controlSpellings: controls)
    }
}
