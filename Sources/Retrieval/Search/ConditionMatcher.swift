/// The chunks that fulfil a query's conditions.
package struct ConditionMatcher {
    package let index: LexicalIndex

    package init(index: LexicalIndex) { self.index = index }

    package func matches(_ query: LexicalQuery) throws -> Set<Int64> {
        switch query {
        case .words(let terms): return try terms.reduce(into: []) { try $0.formUnion(chunks(with: $1)) }
        case .phrase(let terms): return try chunks(withPhrase: terms)
        case .or(let parts): return try parts.reduce(into: []) { try $0.formUnion(matches($1)) }
        case .not(let inner): return everything.subtracting(try matches(inner))
        case .and(let parts):
            var found: Set<Int64>?
            for part in parts {
                if case .words(let terms) = part {
                    for term in terms { found = try intersect(found, chunks(with: term)) }
                } else {
                    found = try intersect(found, matches(part))
                }
            }
            return found ?? []
        }
    }

    private func intersect(_ found: Set<Int64>?, _ other: Set<Int64>) -> Set<Int64> {
        found.map { $0.intersection(other) } ?? other
    }

    private var everything: Set<Int64> { Set(index.segments.flatMap(\.chunks)) }

    private func chunks(with term: String) throws -> Set<Int64> {
        var found: Set<Int64> = []
        for (segment, list) in zip(index.segments, try index.postings(of: term)) {
            guard let list else { continue }
            try forEachBlock(of: list) { _, documents, _ in
                for document in documents where Int(document) < segment.chunks.count {
                    found.insert(segment.chunks[Int(document)])
                }
            }
        }
        return found
    }

    private func chunks(withPhrase terms: [String]) throws -> Set<Int64> {
        guard let first = terms.first else { return [] }
        let lists = try terms.map { try index.postings(of: $0) }
        guard terms.count > 1 else { return try chunks(with: first) }
        var found: Set<Int64> = []
        for (place, segment) in index.segments.enumerated() {
            // Positions at which the phrase so far could begin, by document.
            var starts: [UInt32: Set<UInt32>]?
            for (offset, list) in lists.map({ $0[place] }).enumerated() {
                guard let list, starts?.isEmpty != true else {
                    starts = [:]
                    break
                }
                starts = try starts.map { try continued($0, by: list, offset: UInt32(offset)) } ?? positions(of: list)
            }
            for document in (starts ?? [:]).keys where Int(document) < segment.chunks.count {
                found.insert(segment.chunks[Int(document)])
            }
        }
        return found
    }

    private func positions(of list: PostingList) throws -> [UInt32: Set<UInt32>] {
        var found: [UInt32: Set<UInt32>] = [:]
        try forEachBlock(of: list) { block, documents, frequencies in
            guard let positions = list.positions(block: block, frequencies: frequencies) else { return }
            for (document, positions) in zip(documents, positions) { found[document] = Set(positions) }
        }
        return found
    }

    private func continued(
        _ starts: [UInt32: Set<UInt32>], by list: PostingList, offset: UInt32
    ) throws -> [UInt32: Set<UInt32>] {
        var found: [UInt32: Set<UInt32>] = [:]
        try forEachBlock(of: list) { block, documents, frequencies in
            guard documents.contains(where: { starts[$0] != nil }),
                let positions = list.positions(block: block, frequencies: frequencies)
            else { return }
            for (document, positions) in zip(documents, positions) {
                guard let before = starts[document] else { continue }
                let kept = before.intersection(positions.lazy.filter { $0 >= offset }.map { $0 - offset })
                if !kept.isEmpty { found[document] = kept }
            }
        }
        return found
    }

    private func forEachBlock(
        of list: PostingList, _ body: (_ block: Int, _ documents: [UInt32], _ frequencies: [UInt32]) throws -> Void
    ) throws {
        var scratch = [UInt32](repeating: 0, count: 2 * PostingLayout.blockSize)
        for block in list.blocks.indices {
            scratch.withUnsafeMutableBufferPointer { buffer in
                if let base = buffer.baseAddress { list.decode(block: block, into: base) }
            }
            let count = list.blocks[block].count
            try body(
                block, Array(scratch[..<count]),
                Array(scratch[PostingLayout.blockSize..<PostingLayout.blockSize + count]))
        }
    }
}
