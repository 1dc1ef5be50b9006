#if canImport(Glibc)
    import Glibc
#else
    import Foundation
#endif

func exponential(_ x: Double) -> Double { exp(x) }
