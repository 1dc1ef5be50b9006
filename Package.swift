// swift-tools-version: 6.2
import PackageDescription

// Layers (docs/architecture.md). An arrow of imports only ever points down; `Tools/check_layers.sh` fails CI otherwise.
let warningsAreErrors = Context.environment["INFER_WARNINGS_AS_ERRORS"] != nil

let strict: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

let strictC: [CSetting] =
    [.enableWarning("all"), .enableWarning("extra")] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

func layer(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: ["TestSupport"] + dependencies, path: "Tests/\(name)", swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let nio = ["NIOCore", "NIOPosix", "NIOHTTP1", "NIOConcurrencyHelpers"].map {
    Target.Dependency.product(name: $0, package: "swift-nio")
}
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "infer",
    products: [
        .executable(name: "infer", targets: ["InferCLI"]),
        .executable(name: "bench", targets: ["Benchmarks"]),
        .library(name: "Inference", targets: ["Inference", "CPUBackend", "OpenCLBackend"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // L0
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(name: "CUTF8Proc", providers: [.apt(["libutf8proc-dev"])]),
        .target(name: "COpenCL", cSettings: strictC, linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "COpenBLAS", cSettings: strictC, linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "NumberFormats", cSettings: strictC),
        .target(
            name: "CPUKernels", dependencies: ["NumberFormats"], cSettings: strictC,
            linkerSettings: [.linkedLibrary("m"), .linkedLibrary("pthread")]),
        .target(
            name: "QuantizationKernels", dependencies: ["NumberFormats"], cSettings: strictC,
            linkerSettings: [.linkedLibrary("m")]),
        .target(name: "KernelSources", path: "Kernels", cSettings: strictC),
        .target(name: "ChatPage", exclude: ["page"], cSettings: strictC),
        .target(name: "BundledModel", exclude: ["bard"], cSettings: strictC),
        layer("JSONCore"),
        layer("TensorCore", ["NumberFormats"]),
        // L1
        layer("CPUBackend", ["TensorCore", "NumberFormats", "CPUKernels", "COpenBLAS"]),
        layer("OpenCLBackend", ["TensorCore", "COpenCL", "CPUKernels", "KernelSources"]),
        layer("ModelIO", ["TensorCore", "JSONCore", "NumberFormats", "QuantizationKernels"]),
        layer("KVCache", ["TensorCore"]),
        layer("Tokenization", ["JSONCore", "CPCRE2", "CUTF8Proc"]),
        // L2
        layer("Models", ["TensorCore", "ModelIO", "KVCache", "JSONCore"]),
        layer("ChatTemplate", ["JSONCore"]),
        // L3
        layer(
            "Inference",
            [
                "Models", "Tokenization", "KVCache", "ModelIO", "TensorCore", "JSONCore", "BundledModel",
                "ChatTemplate",
            ]),
        layer("Devices", ["TensorCore", "CPUBackend", "OpenCLBackend"]),
        // L4
        layer("CommandSupport", ["Inference", "Devices", "JSONCore", "TensorCore", argumentParser, logging]),
        // L5
        layer(
            "BenchmarkKit",
            [
                "CommandSupport", "Devices", "Inference", "Models", "ModelIO", "KVCache", "JSONCore", "TensorCore",
                argumentParser,
            ]),
        layer("LoadGenerator", ["CommandSupport", "JSONCore", argumentParser] + nio),
        // L6
        .executableTarget(
            name: "InferCLI",
            dependencies: [
                "CommandSupport", "BenchmarkKit", "Inference", "Models", "Devices", "OpenCLBackend", "ModelIO",
                "Tokenization", "JSONCore", "TensorCore", "ChatTemplate", argumentParser, logging,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "Benchmarks", dependencies: ["CommandSupport", "BenchmarkKit", "LoadGenerator", argumentParser],
            path: "Benchmarks/Sources", swiftSettings: strict),
        // Tests
        .target(
            name: "TestSupport", dependencies: ["TensorCore", "JSONCore"], path: "Tests/TestSupport",
            swiftSettings: strict),
        tests("JSONCoreTests", ["JSONCore"]),
        tests("ChatTemplateTests", ["ChatTemplate", "JSONCore"]),
        tests("TensorCoreTests", ["TensorCore"]),
        tests("ModelIOTests", ["ModelIO", "TensorCore", "JSONCore"]),
        tests("KVCacheTests", ["KVCache", "TensorCore"]),
        tests("TokenizationTests", ["Tokenization", "JSONCore"]),
        tests("BackendConformanceTests", ["CPUBackend", "OpenCLBackend", "Devices", "TensorCore"]),
        tests("OpenCLBackendTests", ["OpenCLBackend", "Devices", "TensorCore"]),
        tests(
            "InferenceTests",
            [
                "Inference", "Models", "Devices", "CPUBackend", "OpenCLBackend", "ModelIO", "KVCache", "Tokenization",
                "TensorCore", "JSONCore",
            ]),
        tests("InferCLITests", ["JSONCore", "ModelIO", "TensorCore"]),
        tests(
            "BenchmarkTests",
            [
                "BenchmarkKit", "LoadGenerator", "CommandSupport", "Devices", "Inference", "Models", "ModelIO",
                "JSONCore",
                "TensorCore", argumentParser,
            ] + nio),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu2x
)
