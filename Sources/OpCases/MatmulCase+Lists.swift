internal import TensorCore

extension MatmulCase {
    /// Block formats differ from q8_0 in how a vector of weights is read, and in nothing else: one case in nine is enough.
    private static func sampled(_ format: WeightFormat, _ index: Int) -> Bool {
        format.blockSize == 1 || format == .q8_0 || index % 9 == 4
    }

    private static func perFormat(_ body: (WeightFormat) -> [MatmulCase]) -> [MatmulCase] {
        WeightFormat.allCases.flatMap { format in
            body(format).enumerated().filter { sampled(format, $0.offset) }.map(\.element).map { one in
                var fitting = one
                fitting.columns = format.fitting(one.columns)
                return fitting
            }
        }
    }

    /// Every count of tokens about the tile sizes that kernels choose.
    package static let tokenSweep = perFormat { format in
        (Array(1...9) + [12, 15, 16, 17, 31, 32, 33, 64, 65, 513]).map {
            MatmulCase(format: format, tokens: $0, partRows: [33], columns: 50, gap: $0 % 2 * 5)
        }
    }

    package static let columnSweep = perFormat { format in
        [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 1023, 1025]
            .flatMap { columns in
                [1, 3, 18].map { MatmulCase(format: format, tokens: $0, partRows: [19], columns: columns) }
            }
    }

    package static let rowSweep = perFormat { format in
        [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 96, 127, 128, 129, 255, 257]
            .flatMap { rows in
                [1, 2, 5, 17].map {
                    MatmulCase(format: format, tokens: $0, partRows: [rows], columns: 48, shift: $0 % 2)
                }
            }
    }

    package static let epilogues = perFormat { format in
        [1, 4, 17].flatMap { tokens in
            variants.map { variant in
                var one = variant
                one.format = format
                one.tokens = tokens
                return one
            }
        }
    }

    private static let variants: [MatmulCase] = {
        let plain = MatmulCase(format: .float32, tokens: 1, partRows: [38], columns: 33, gap: 3)
        var list: [MatmulCase] = []
        for activation in [nil] + Activation.allCases.map(Optional.some) {
            for hasBias in [false, true] {
                for isGated in [false, true] {
                    for residual in [Residual.none, .separate, .output] {
                        var one = plain
                        one.activation = activation
                        one.hasBias = hasBias
                        one.isGated = isGated
                        one.residual = residual
                        list.append(one)
                    }
                }
            }
        }
        return list
    }()

    /// Query, key and value of different rows; gate and up as one part and as two; a part of one row.
    package static let parts = perFormat { format in
        [[5, 3, 3], [64, 16, 16], [1, 1, 1], [17, 1], [33, 31, 2], [128, 64, 64]].flatMap { partRows in
            [1, 6, 17].map {
                MatmulCase(format: format, tokens: $0, partRows: partRows, columns: 40, hasBias: true)
            }
        }
            + [[33, 33], [66], [64, 64], [1, 1], [2]].flatMap { partRows in
                [1, 6, 17].map {
                    MatmulCase(
                        format: format, tokens: $0, partRows: partRows, columns: 40, activation: .silu, isGated: true)
                }
            }
    }

    /// Every product that the harness times of two small models, with as many tokens as a double-precision reference takes
    /// little time for.
    package static let modelLayers = perFormat { format in
        ["gpt2-124m", "llama-135m"].compactMap(ModelShape.named)
            .flatMap { timed($0, formats: [.float32], tokenCounts: [1, 16]).joined() }
            .filter { $0.cost <= 30_000_000 && $0.rows <= 10_000 }
            .map { one in
                var own = one
                own.format = format
                return own
            }
    }

    /// Parts of different rows, outputs in place, a vocabulary, many tokens and many columns.
    package static let largeSizes = perFormat { format in
        [
            MatmulCase(format: format, tokens: 1, partRows: [768, 768, 768], columns: 768, hasBias: true),
            MatmulCase(format: format, tokens: 1, partRows: [768], columns: 3072, residual: .output),
            MatmulCase(
                format: format, tokens: 65, partRows: [1536, 1536], columns: 576, activation: .silu, isGated: true),
            MatmulCase(format: format, tokens: 33, partRows: [576], columns: 1536, residual: .output),
            MatmulCase(format: format, tokens: 130, partRows: [384, 384, 384], columns: 384, hasBias: true),
            MatmulCase(format: format, tokens: 1, partRows: [32_000], columns: 288),
            MatmulCase(format: format, tokens: 4, partRows: [2048, 512, 512], columns: 2048),
            MatmulCase(format: format, tokens: 513, partRows: [384], columns: 128),
            MatmulCase(format: format, tokens: 2, partRows: [64], columns: 4096),
        ]
    }
}
