internal import TensorCore

extension AttentionCase {
    private static let cacheTypes = KVCacheLayer.dtypes

    /// Every head size and group, decoding and in prefill. An OpenCL device compiles a program for each size and format,
    /// which takes a second; formats differ in how a row is read, whole vectors and the rest, so that a few sizes are
    /// enough for narrow ones.
    package static let headShapes: [AttentionCase] = cacheTypes.flatMap { dtype in
        (dtype == .float32 ? [1, 2, 10, 16, 31, 32, 64, 80, 96, 100, 128, 192, 256] : [10, 64, 100, 256]).flatMap {
            headSize in
            [(1, 1), (2, 2), (1, 3), (1, 7), (2, 8), (3, 1)].flatMap { keyHeads, group in
                [[[1, 37]], [[19, 19]]].map {
                    AttentionCase(sequences: $0, headSize: headSize, keyHeads: keyHeads, group: group, dtype: dtype)
                }
            }
        }
    }

    package static let decodeContexts: [AttentionCase] = cacheTypes.flatMap { dtype in
        [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1000, 1024, 1025, 2000].map {
            AttentionCase(sequences: [[1, $0]], headSize: 64, keyHeads: 2, group: 3, dtype: dtype, gap: $0 % 2 * 5)
        }
    }

    /// Contexts that are split and merged, small enough for a small run.
    package static let splits: [AttentionCase] = cacheTypes.flatMap { dtype in
        [[[1, 129]], [[1, 257]], [[1, 140], [1, 5]]].map {
            AttentionCase(sequences: $0, headSize: 7, keyHeads: 1, group: 2, dtype: dtype, blockSize: 32)
        }
    }

    package static let prefills: [AttentionCase] = cacheTypes.flatMap { dtype in
        [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 257].map {
            AttentionCase(sequences: [[$0, $0]], headSize: 32, keyHeads: 2, group: 2, dtype: dtype, gap: $0 % 2 * 3)
        }
            + [[8, 40], [17, 100], [64, 200], [65, 1000], [2, 2000], [33, 48]].map {
                AttentionCase(sequences: [$0], headSize: 64, keyHeads: 1, group: 4, dtype: dtype)
            }
    }

    /// Sequences that decode beside ones in prefill and ones whose prefill goes on in chunks.
    package static let mixed: [AttentionCase] = cacheTypes.flatMap { dtype in
        [
            [[1, 1], [1, 17], [1, 200]], [[1, 30], [13, 13], [1, 64], [5, 90]], [[40, 40], [1, 500]],
            [[3, 3], [1, 1], [16, 32], [17, 18], [1, 129], [2, 2]], Array(repeating: [1, 50], count: 33),
            [[1, 2000], [1, 3], [1, 700], [1, 16]],
        ].flatMap { sequences in
            [(64, 2, 3), (80, 1, 1), (10, 3, 7)].map { headSize, keyHeads, group in
                AttentionCase(
                    sequences: sequences, headSize: headSize, keyHeads: keyHeads, group: group, dtype: dtype, gap: 1)
            }
        }
    }

    package static let windows: [AttentionCase] = [1, 2, 15, 16, 17, 64, 100, 3000].flatMap { window in
        [[[1, 1]], [[1, 16]], [[1, 130]], [[1, 1500]], [[40, 40]], [[20, 150]], [[1, 90], [33, 33], [5, 77]]].map {
            AttentionCase(
                sequences: $0, headSize: 64, keyHeads: 2, group: 2,
                dtype: window >= 64 ? .int8 : window % 2 == 0 ? .float16 : .float32, window: window)
        }
    }

    package static let caps: [AttentionCase] = [0.5, 20, 50].flatMap { (cap: Float) in
        [[[1, 100]], [[30, 30]], [[1, 900], [9, 40]]].flatMap { sequences in
            [nil, 25].map { window in
                AttentionCase(
                    sequences: sequences, headSize: 96, keyHeads: 2, group: 2, window: window, softCap: cap,
                    scores: cap == 20 ? .large : .usual)
            }
        }
    }

    package static let difficultScores: [AttentionCase] = [Scores.large, .allEqual, .allVeryNegative].flatMap {
        scores in
        [[[1, 70]], [[35, 35]], [[1, 1200]], [[1, 9], [12, 60]]].flatMap { sequences in
            [16, 128].map { AttentionCase(sequences: sequences, headSize: $0, keyHeads: 2, group: 2, scores: scores) }
        }
    }

    /// With ordinary scores: a rounding error of extreme ones would go into the exponential.
    package static let rounded: [AttentionCase] =
        (headShapes + prefills + mixed + windows + blockSizes).filter { one in
            one.sequences.contains { $0[0] > 1 } && one.headSize > 2
        }

    package static let blockSizes: [AttentionCase] = [1, 4, 8, 15, 32, 64].flatMap { blockSize in
        [[[1, 77]], [[20, 33]], [[1, 1], [9, 64]]].map {
            AttentionCase(sequences: $0, headSize: 64, keyHeads: 2, group: 2, dtype: .bfloat16, blockSize: blockSize)
        }
    }

    /// What the harness times of models with heads of 64, 128 and 256 elements and with a cap, at contexts that a
    /// double-precision reference takes little time for.
    package static let modelLayers: [AttentionCase] = ["gpt2-124m", "llama-135m", "gemma2-2b", "qwen3-30b-a3b"]
        .compactMap(ModelShape.named)
        .flatMap { timed($0, cacheTypes: cacheTypes, tokenCounts: [1, 16], contextLengths: [200]) }

    /// Heads that are larger than devices take: those refuse them.
    package static let largeHeads: [AttentionCase] = [257, 512].flatMap { headSize in
        [[[1, 20]], [[9, 9]]].map { AttentionCase(sequences: $0, headSize: headSize) }
    }
}
