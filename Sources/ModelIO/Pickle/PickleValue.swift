internal import TensorCore

/// The values of a pickle of tensors. Containers refer to their elements by index into ``PickleProgram/values``, so
/// that values that refer to each other, even in circles, take no more memory than the file that describes them.
enum PickleValue {
    case none
    case bool(Bool)
    case integer(Int)
    case real(Double)
    case string(String)
    case bytes(Range<Int>)
    case list([Int])
    case tuple([Int])
    /// Keys and values alternate; also `OrderedDict`.
    case dictionary([Int])
    case global(PickleGlobal)
    indirect case storage(PickleStorage)
    indirect case tensor(PickleTensor)
    /// A value that tensors do not need: element types, versions, hooks.
    case ignored
}

/// The names that a pickle may call. Everything else is refused before anything happens.
enum PickleGlobal: Hashable {
    case orderedDictionary
    case rebuildTensor
    case rebuildParameter
    case rebuildFromType
    case size
    case tensorClass
    /// One of `torch`'s typed storages.
    case storage(StoredType)
    /// Bytes whose element type is given by the tensor.
    case untypedStorage
    case elementType(StoredType)
    case ignored

    private static let types: [(name: String, type: StoredType)] = [
        ("Double", .float64), ("Float", .float32), ("Half", .float16), ("BFloat16", .bfloat16), ("Long", .int64),
        ("Int", .int32), ("Short", .int16), ("Char", .int8), ("Byte", .uint8), ("Bool", .bool),
    ]
    private static let elementTypes: [String: StoredType] = [
        "float64": .float64, "float32": .float32, "float16": .float16, "bfloat16": .bfloat16, "int64": .int64,
        "int32": .int32, "int16": .int16, "int8": .int8, "uint8": .uint8, "bool": .bool,
        "float8_e4m3fn": .float8e4m3, "float8_e5m2": .float8e5m2, "uint16": .uint16, "uint32": .uint32,
        "uint64": .uint64,
    ]

    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor"),
            ("torch._utils", "_rebuild_tensor_v3"):
            self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"):
            self = .rebuildParameter
        case ("torch._tensor", "_rebuild_from_type_v2"), ("torch._tensor", "_rebuild_from_type"):
            self = .rebuildFromType
        case ("torch", "Size"): self = .size
        case ("torch", "Tensor"), ("torch.nn.parameter", "Parameter"): self = .tensorClass
        case ("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"): self = .untypedStorage
        case ("torch", "device"): self = .ignored
        default:
            guard module == "torch" || module == "torch.cuda" else { return nil }
            if let type = PickleGlobal.elementTypes[name] {
                self = .elementType(type)
                return
            }
            guard name.hasSuffix("Storage"),
                let found = PickleGlobal.types.first(where: { $0.name + "Storage" == name })
            else { return nil }
            self = .storage(found.type)
        }
    }
}

/// The elements that tensors are views of.
struct PickleStorage: Hashable {
    let key: String
    /// The element type; `nil` where the tensor gives it.
    let type: StoredType?
    let elementCount: Int
}

/// A view of a storage: `element[i, j, …] = storage[offset + i · strides[0] + j · strides[1] + …]`.
struct PickleTensor {
    let storage: PickleStorage
    let type: StoredType
    let offset: Int
    let extents: [Int]
    let strides: [Int]
}
