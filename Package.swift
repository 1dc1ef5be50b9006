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
    Target.Dependency.product(name: $0, package: "swift-nio", condition: .when(traits: ["HTTP"]))
}
let grdb = Target.Dependency.product(
    name: "GRDB", package: "GRDB.swift", condition: .when(traits: ["SQLite"]))
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let hummingbird = ["Hummingbird", "HummingbirdCore"].map {
    Target.Dependency.product(name: $0, package: "hummingbird", condition: .when(traits: ["HTTP"]))
}
let serviceLifecycle = ["ServiceLifecycle", "UnixSignals"].map {
    Target.Dependency.product(name: $0, package: "swift-service-lifecycle", condition: .when(traits: ["HTTP"]))
}
let httpTypes = Target.Dependency.product(
    name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["HTTP"]))

let package = Package(
    name: "infer",
    products: [
        .executable(name: "infer", targets: ["InferCLI"]),
        .executable(name: "bench", targets: ["Benchmarks"]),
        .library(name: "Inference", targets: ["Inference", "CPUBackend", "OpenCLBackend"]),
    ],
    traits: [
        // Who uses the library alone names the package with `traits: []` and fetches no HTTP stack.
        .trait(name: "HTTP", description: "The HTTP server and the load generator, with the packages that they need."),
        .trait(name: "SQLite", description: "Collections of documents, which lie in SQLite files."),
        .default(enabledTraits: ["HTTP", "SQLite"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.5.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // L0
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(name: "CUTF8Proc", providers: [.apt(["libutf8proc-dev"])]),
        .target(name: "COpenCL", cSettings: strictC, linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "COpenBLAS", cSettings: strictC, linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CSnowball", cSettings: strictC, linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CImageCodecs", cSettings: strictC, linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "NumberFormats", cSettings: strictC),
        .target(
            name: "CPUKernels", dependencies: ["NumberFormats"], cSettings: strictC,
            linkerSettings: [.linkedLibrary("m"), .linkedLibrary("pthread")]),
        .target(
            name: "QuantizationKernels", dependencies: ["NumberFormats"], cSettings: strictC,
            linkerSettings: [.linkedLibrary("m")]),
        .target(name: "VectorKernels", cSettings: strictC),
        .target(name: "KernelSources", path: "Kernels", cSettings: strictC),
        .target(name: "ChatPage", exclude: ["page"], cSettings: strictC),
        .target(name: "BundledModel", exclude: ["bard", "digit-reader", "digit-writer"], cSettings: strictC),
        layer("JSONCore"),
        layer("TensorCore", ["NumberFormats"]),
        // L1
        layer("CPUBackend", ["TensorCore", "NumberFormats", "CPUKernels", "COpenBLAS"]),
        layer("OpenCLBackend", ["TensorCore", "COpenCL", "KernelSources"]),
        layer("ModelIO", ["TensorCore", "JSONCore", "NumberFormats", "QuantizationKernels"]),
        layer("KVCache", ["TensorCore"]),
        layer("OpCases", ["TensorCore"]),
        layer("Tokenization", ["JSONCore", "CPCRE2", "CUTF8Proc"]),
        layer("Images", ["JSONCore", "CImageCodecs"]),
        // L2
        layer("Models", ["TensorCore", "ModelIO", "KVCache"]),
        layer("ChatTemplate", ["JSONCore"]),
        layer("Grammar", ["JSONCore"]),
        // L3
        layer(
            "Inference",
            [
                "Models", "Tokenization", "KVCache", "ModelIO", "TensorCore", "JSONCore", "BundledModel",
                "ChatTemplate", "Grammar", "Images",
            ]),
        layer("Devices", ["TensorCore", "CPUBackend", "OpenCLBackend"]),
        // L4
        layer(
            "CommandSupport", ["Inference", "Devices", "ModelIO", "JSONCore", "TensorCore", argumentParser, logging]),
        layer(
            "Retrieval",
            [
                "Inference", "Models", "ModelIO", "Tokenization", "ChatTemplate", "JSONCore", "TensorCore",
                "VectorKernels", "CSnowball", grdb,
            ]),
        // L5
        layer(
            "BenchmarkKit",
            [
                "CommandSupport", "Devices", "Inference", "Models", "ModelIO", "JSONCore", "OpCases",
                "TensorCore", .target(name: "Retrieval", condition: .when(traits: ["SQLite"])), argumentParser,
            ]),
        layer(
            "Serving",
            [
                "Inference", "Models", "ModelIO", "Tokenization", "JSONCore", "ChatTemplate", "ChatPage",
                httpTypes, logging,
            ] + hummingbird + serviceLifecycle + nio),
        layer("LoadGenerator", ["CommandSupport", "JSONCore", "TensorCore", argumentParser] + nio),
        // L6
        .executableTarget(
            name: "InferCLI",
            dependencies: [
                "CommandSupport", "BenchmarkKit", .target(name: "Serving", condition: .when(traits: ["HTTP"])),
                .target(name: "Retrieval", condition: .when(traits: ["SQLite"])),
                "Inference", "Models", "Devices", "OpenCLBackend", "KVCache", "ModelIO", "Images",
                "Tokenization", "JSONCore", "TensorCore", "ChatTemplate", "Grammar", argumentParser, logging,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "Benchmarks", dependencies: ["CommandSupport", "BenchmarkKit", "LoadGenerator", argumentParser],
            path: "Benchmarks/Sources", swiftSettings: strict),
        // Tests
        .target(
            name: "TestSupport", dependencies: ["TensorCore", "JSONCore", "OpCases"], path: "Tests/TestSupport",
            swiftSettings: strict),
        tests("JSONCoreTests", ["JSONCore"]),
        tests("ChatTemplateTests", ["ChatTemplate", "JSONCore"]),
        tests("GrammarTests", ["Grammar", "JSONCore"]),
        tests("TensorCoreTests", ["TensorCore"]),
        tests("ModelIOTests", ["ModelIO", "TensorCore", "JSONCore"]),
        tests("KVCacheTests", ["KVCache", "TensorCore"]),
        tests("TokenizationTests", ["Tokenization", "JSONCore"]),
        tests("ImagesTests", ["Images", "JSONCore"]),
        .target(
            name: "CPUKernelsProbe", dependencies: ["CPUKernels", "NumberFormats"], path: "Tests/CPUKernelsProbe",
            cSettings: strictC + [.headerSearchPath("../../Sources/CPUKernels")]),
        tests(
            "CPUKernelsTests", ["CPUKernels", "CPUKernelsProbe", "CPUBackend", "TensorCore"]),
        tests("BackendConformanceTests", ["CPUBackend", "OpenCLBackend", "OpCases", "TensorCore"]),
        tests("OpenCLBackendTests", ["OpenCLBackend", "Devices", "TensorCore"]),
        tests(
            "InferenceTests",
            [
                "Inference", "Models", "CPUBackend", "OpenCLBackend", "ModelIO", "KVCache", "Tokenization",
                "TensorCore", "JSONCore", "Images", "ChatTemplate",
            ]),
        tests(
            "ServingTests",
            ["Serving", "Inference", "CPUBackend", "Devices", "JSONCore", "TensorCore", logging] + nio),
        tests("RetrievalTests", ["Retrieval", "Inference", "CPUBackend", "TensorCore", "JSONCore", grdb]),
        tests("InferCLITests", ["JSONCore", "ModelIO", "TensorCore"]),
        tests(
            "BenchmarkTests",
            [
                "BenchmarkKit", "LoadGenerator", "CommandSupport", "Devices", "Inference", "Models", "JSONCore",
                "OpCases", "TensorCore", argumentParser,
            ] + nio),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu2x
)
