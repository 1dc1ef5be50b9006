import TensorCore

/// A copy of the elements; the memory behind them stays alive meanwhile.
func elements<Element>(_ bytes: HostBytes, _: Element.Type) -> [Element] {
    withExtendedLifetime(bytes) { Array($0.pointer.bindMemory(to: Element.self)) }
}
