/// The members of JSON objects, in whatever order they come.
extension Configurations {
    mutating func leaveObject(_ object: GrammarObject, _ frame: StackArena.Frame) {
        guard let punctuation = grammar.punctuation else { return }
        var state = stacks.objectStates[Int(frame.state)]
        switch state.phase {
        case .opened:
            if canClose(object, state) { schedule(.enter(node: punctuation.close, parent: frame.parent)) }
            enterKeys(object, state, frame)
        case .comma: enterKeys(object, state, frame)
        case .key:
            state.phase = .colon
            let next = stacks.push(frame.node, stacks.number(of: state), frame.parent)
            schedule(.enter(node: punctuation.colon, parent: next))
        case .colon:
            let member = Int(state.member)
            let isNamed = member < object.members.count
            let value =
                isNamed ? object.members[member].value : object.others[member - object.members.count].value
            if isNamed {
                state.insert(member)
            } else {
                let limit = max(object.minimumCount, object.maximumCount ?? 0)
                state.otherCount = Int32(clamping: min(Int(state.otherCount) + 1, limit))
            }
            state.phase = .value
            state.member = 0
            let next = stacks.push(frame.node, stacks.number(of: state), frame.parent)
            schedule(.enter(node: value, parent: next))
        case .value:
            if canClose(object, state) { schedule(.enter(node: punctuation.close, parent: frame.parent)) }
            guard hasNextKey(object, state) else { return }
            state.phase = .comma
            let next = stacks.push(frame.node, stacks.number(of: state), frame.parent)
            schedule(.enter(node: punctuation.comma, parent: next))
        }
    }

    private func canClose(_ object: GrammarObject, _ state: StackArena.ObjectState) -> Bool {
        guard state.seenCount + Int(state.otherCount) >= object.minimumCount else { return false }
        return !object.members.indices.contains { object.members[$0].isRequired && !state.contains($0) }
    }

    /// Whether another member may come, besides those that must.
    private func hasRoom(_ object: GrammarObject, _ state: StackArena.ObjectState) -> Bool {
        guard let maximum = object.maximumCount else { return true }
        let missing = object.members.indices.count { object.members[$0].isRequired && !state.contains($0) }
        return state.seenCount + Int(state.otherCount) + missing < maximum
    }

    private func isOpen(_ object: GrammarObject, _ index: Int, _ state: StackArena.ObjectState, _ hasRoom: Bool) -> Bool
    {
        let member = object.members[index]
        return (member.isRequired || hasRoom) && !state.contains(index) && isPossible(member)
    }

    private func isPossible(_ member: GrammarObject.Member) -> Bool {
        grammar.isProductive[Int(member.value)] && grammar.isProductive[Int(member.key)]
    }

    private func hasNextKey(_ object: GrammarObject, _ state: StackArena.ObjectState) -> Bool {
        let hasRoom = hasRoom(object, state)
        return object.members.indices.contains { isOpen(object, $0, state, hasRoom) }
            || (hasRoom && object.others.contains { isPossible($0) })
    }

    private mutating func enterKeys(_ object: GrammarObject, _ state: StackArena.ObjectState, _ frame: StackArena.Frame)
    {
        let hasRoom = hasRoom(object, state)
        var next = state
        next.phase = .key
        for index in object.members.indices where isOpen(object, index, state, hasRoom) {
            next.member = Int32(index)
            let parent = stacks.push(frame.node, stacks.number(of: next), frame.parent)
            schedule(.enter(node: object.members[index].key, parent: parent))
        }
        guard hasRoom else { return }
        for (index, other) in object.others.enumerated() where isPossible(other) {
            next.member = Int32(object.members.count + index)
            let parent = stacks.push(frame.node, stacks.number(of: next), frame.parent)
            schedule(.enter(node: other.key, parent: parent))
        }
    }
}
