internal import TensorCore

/// The calls that a pickle of tensors makes.
extension PickleProgram {
    /// The most dimensions of a tensor.
    private static let maximumRank = 16

    func result(of function: PickleGlobal, _ arguments: [Int]) throws -> PickleValue {
        switch function {
        case .orderedDictionary: return try orderedDictionary(arguments)
        case .size:
            guard let first = arguments.first, case .tuple = values[first] else { return .tuple([]) }
            return values[first]
        case .rebuildTensor: return .tensor(try tensor(arguments))
        case .rebuildParameter:
            guard let first = arguments.first, case .tensor = values[first] else {
                throw broken("a parameter holds no tensor")
            }
            return values[first]
        case .rebuildFromType:
            guard arguments.count >= 3, case .global(let inner) = values[arguments[0]], inner != .rebuildFromType,
                case .tuple(let innerArguments) = values[arguments[2]]
            else { throw broken("a tensor is made in a way that is not known") }
            return try result(of: inner, innerArguments)
        case .tensorClass, .storage, .untypedStorage, .elementType, .ignored: return .ignored
        }
    }

    /// An ordered dictionary: empty, or from a list of pairs.
    private func orderedDictionary(_ arguments: [Int]) throws -> PickleValue {
        guard let first = arguments.first else { return .dictionary([]) }
        guard case .list(let pairs) = values[first] else { return .dictionary([]) }
        var items: [Int] = []
        items.reserveCapacity(2 * pairs.count)
        for pair in pairs {
            switch values[pair] {
            case .tuple(let pair) where pair.count == 2, .list(let pair) where pair.count == 2: items += pair
            default: throw broken("a dictionary is made of values that are no pairs")
            }
        }
        return .dictionary(items)
    }

    /// `("storage", type, key, location, count)`.
    func storage(_ index: Int) throws -> PickleStorage {
        guard case .tuple(let fields) = values[index], fields.count >= 5, case .string("storage") = values[fields[0]],
            case .global(let kind) = values[fields[1]], case .string(let key) = values[fields[2]],
            case .integer(let count) = values[fields[4]], count >= 0
        else { throw broken("a storage is described in a way that is not known") }
        if fields.count > 5, case .tuple = values[fields[5]] {
            throw broken("a storage is a view of another, which only files older than PyTorch 0.4 have")
        }
        switch kind {
        case .storage(let type): return PickleStorage(key: key, type: type, elementCount: count)
        case .untypedStorage: return PickleStorage(key: key, type: nil, elementCount: count)
        default: throw broken("a storage has a type that is not known")
        }
    }

    /// `(storage, offset, size, stride, requires_grad, hooks, type or metadata)`.
    private func tensor(_ arguments: [Int]) throws -> PickleTensor {
        guard arguments.count >= 4, case .storage(let storage) = values[arguments[0]],
            case .integer(let offset) = values[arguments[1]], let extents = integers(arguments[2]),
            let strides = integers(arguments[3])
        else { throw broken("a tensor is described in a way that is not known") }
        var stated: StoredType?
        if arguments.count > 6, case .global(.elementType(let type)) = values[arguments[6]] { stated = type }
        guard let type = storage.type ?? stated else { throw broken("a tensor does not say its element type") }
        guard extents.count <= PickleProgram.maximumRank, strides.count == extents.count, offset >= 0,
            extents.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }), let shape = Shape(checking: extents)
        else { throw broken("a tensor has shape \(extents.prefix(16)) with strides \(strides.prefix(16))") }
        let available = storage.type == nil ? storage.elementCount / type.blockByteCount : storage.elementCount
        // A tensor with more elements than its storage repeats some, which is refused.
        guard shape.elementCount <= available else {
            throw broken("a tensor of shape \(extents) has more elements than its storage of \(available)")
        }
        if shape.elementCount > 0 {
            var last = offset
            for (extent, stride) in zip(extents, strides) {
                let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
                let (sum, sumOverflow) = last.addingReportingOverflow(reach)
                guard !overflow, !sumOverflow else { throw broken("a tensor's strides reach past its storage") }
                last = sum
            }
            guard last < available else {
                throw broken("a tensor of shape \(extents) reaches past its storage of \(available) elements")
            }
        }
        // The stride of a dimension with one element is never used and can be anything.
        return PickleTensor(
            storage: storage, type: type, offset: offset, extents: extents,
            strides: zip(extents, strides).map { $0 > 1 ? $1 : 0 })
    }

    private func integers(_ index: Int) -> [Int]? {
        let items: [Int]
        switch values[index] {
        case .tuple(let elements), .list(let elements): items = elements
        case .integer(let value): return [value]
        default: return nil
        }
        var integers: [Int] = []
        for item in items {
            guard case .integer(let value) = values[item] else { return nil }
            integers.append(value)
        }
        return integers
    }

    /// The tensors of a dictionary by name; those of dictionaries inside it by `outer.inner`, one level deep.
    func tensors(of root: Int) throws -> [(name: String, tensor: PickleTensor)] {
        guard case .dictionary(let items) = values[root] else {
            throw broken("it holds no dictionary of tensors")
        }
        var found: [(String, PickleTensor)] = []
        func collect(_ items: [Int], prefix: String, isOutermost: Bool) {
            for index in stride(from: 0, to: items.count - 1, by: 2) {
                guard case .string(let name) = values[items[index]] else { continue }
                switch values[items[index + 1]] {
                case .tensor(let tensor): found.append((prefix + name, tensor))
                case .dictionary(let inner) where isOutermost:
                    // Training programs wrap the weights; the wrapper's name is not part of theirs.
                    let isWrapper = ["state_dict", "model", "module", "model_state_dict"].contains(name)
                    collect(inner, prefix: isWrapper ? "" : name + ".", isOutermost: false)
                default: break
                }
            }
        }
        collect(items, prefix: "", isOutermost: true)
        return found
    }
}
