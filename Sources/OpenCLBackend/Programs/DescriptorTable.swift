internal import Synchronization

/// Descriptors of one kind that differ in what they are compiled for. Each is made when it is first asked for, and
/// kept.
final class DescriptorTable<Key: Hashable & Sendable, Descriptor: Sendable>: Sendable {
    private let make: @Sendable (Key) -> Descriptor
    private let made = Mutex<[Key: Descriptor]>([:])

    init(_ make: @escaping @Sendable (Key) -> Descriptor) { self.make = make }

    subscript(key: Key) -> Descriptor {
        made.withLock { descriptors in
            if let descriptor = descriptors[key] { return descriptor }
            let descriptor = make(key)
            descriptors[key] = descriptor
            return descriptor
        }
    }
}

typealias KernelTable<Key: Hashable & Sendable> = DescriptorTable<Key, KernelDescriptor>
