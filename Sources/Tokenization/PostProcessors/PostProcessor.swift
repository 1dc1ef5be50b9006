/// What frames the ids of one text, or of a pair of texts, with special tokens.
public enum PostProcessor: Sendable {
    /// A part of a template.
    public enum Part: Sendable {
        case first(typeID: Int)
        case second(typeID: Int)
        case special(ids: [Int], typeID: Int)
    }

    /// Texts follow one another as they are; the second of a pair has type 1.
    case none
    case template(single: [Part], pair: [Part])

    /// `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, as BERT has it.
    public static func bert(separator: Int, classifier: Int) -> PostProcessor {
        let head: [Part] = [
            .special(ids: [classifier], typeID: 0), .first(typeID: 0), .special(ids: [separator], typeID: 0),
        ]
        return .template(
            single: head, pair: head + [.second(typeID: 1), .special(ids: [separator], typeID: 1)])
    }

    /// `<s> A </s>` and `<s> A </s> </s> B </s>`, as RoBERTa has it; all of type 0.
    public static func roberta(separator: Int, classifier: Int) -> PostProcessor {
        let end = Part.special(ids: [separator], typeID: 0)
        let head: [Part] = [.special(ids: [classifier], typeID: 0), .first(typeID: 0), end]
        return .template(single: head, pair: head + [end, .second(typeID: 0), end])
    }

    func apply(first: [UInt32], second: [UInt32]?, addsSpecialTokens: Bool) -> (ids: [Int], typeIDs: [Int]) {
        var ids: [Int] = []
        var typeIDs: [Int] = []
        func append(_ new: [UInt32], _ typeID: Int) {
            ids += new.map { Int($0) }
            typeIDs += repeatElement(typeID, count: new.count)
        }
        switch self {
        case .none:
            append(first, 0)
            append(second ?? [], 1)
        case .template(let single, let pair):
            for part in second == nil ? single : pair {
                switch part {
                case .first(let typeID): append(first, typeID)
                case .second(let typeID): append(second ?? [], typeID)
                case .special(let special, let typeID):
                    if addsSpecialTokens { append(special.map { UInt32(truncatingIfNeeded: $0) }, typeID) }
                }
            }
        }
        return (ids, typeIDs)
    }
}
