internal import TensorCore

/// What a pickle of tensors is made of. Containers are values: a container that is changed after it was stored in another
/// one is not changed there, which state dictionaries never do.
indirect enum PickleValue {
    case none
    case bool(Bool)
    case integer(Int)
    case real(Double)
    case string(String)
    case tuple([PickleValue], depth: Int)
    case list([PickleValue], depth: Int)
    case dictionary([(key: PickleValue, value: PickleValue)], depth: Int)
    /// `module name` of something that is imported.
    case global(String)
    /// Elements of one type in an entry of the archive.
    case storage(PickledStorage)
    case tensor(PickledTensor)
    /// Where a tuple, a list of items or a dictionary's members begin.
    case mark

    /// Containers inside of each other.
    var depth: Int {
        switch self {
        case .tuple(_, let depth), .list(_, let depth), .dictionary(_, let depth): depth
        default: 0
        }
    }

    var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    var string: String? { if case .string(let value) = self { value } else { nil } }
    var tuple: [PickleValue]? { if case .tuple(let values, _) = self { values } else { nil } }
}

struct PickledStorage {
    let type: StoredType
    /// The name of the entry below `data/`.
    let key: String
    let elementCount: Int
}

struct PickledTensor {
    let storage: PickledStorage
    /// In elements.
    let offset: Int
    let extents: [Int]
    let strides: [Int]
}
