package import ArgumentParser
import CommandSupport
import Devices
import Inference
import Models
import TensorCore

/// `bench images`: how many images a network classifies.
package struct ImagesCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "images", abstract: "Images a second that networks of images compute.",
        discussion: """
            Passes of random pixels, as large as the model takes them, from values in memory to logits in memory. The rate
            is that of the median pass behind one that warms up; processor time is that of all threads. Without --model:
            random weights in the shapes of --networks.
            """)

    @Option(
        help: ArgumentHelp(
            "Random weights of these shapes: " + SyntheticImageModel.names.joined(separator: ", ") + ".",
            valueName: "names"))
    var networks: String?

    @Option(name: [.customShort("b"), .long], help: "Images of a pass, as 1,32.")
    var batches = CountList([1, 32])

    @Option(help: "Seconds that each number of images is measured for; three passes at least.")
    var seconds = 3

    @OptionGroup var results: ResultOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    package init() {}

    /// Larger passes are cut by the library, and would be measured as several.
    private static let mostImages = 32

    package func validate() throws {
        try model.validate()
        try OptionRange.check("--seconds", seconds, in: 1...3600)
        for count in batches.counts { try OptionRange.check("--batches", count, in: 1...Self.mostImages) }
        for name in wantedNames where !SyntheticImageModel.names.contains(name) {
            throw ValidationError(
                "unknown network '\(name)'; there are \(SyntheticImageModel.names.joined(separator: ", "))")
        }
        guard model.model == nil || networks == nil else {
            throw ValidationError("--networks and --model are both given; a network brings its own weights")
        }
    }

    private var wantedNames: [String] {
        networks?.split(separator: ",").map(String.init) ?? SyntheticImageModel.names
    }

    package func run() throws {
        var output = try ResultOutput(results)
        try output.begin("images")
        if model.model == nil {
            for name in wantedNames { try measure(try SyntheticImageModel.make(name), &output) }
        } else {
            try measure(try model.openPackage(), &output)
        }
        try output.end()
    }

    private func measure(_ package: ModelPackage, _ output: inout ResultOutput) throws {
        for threadCount in model.threads?.counts.map(Optional.some) ?? [nil] {
            let backend = try model.makeBackend(threadCount: threadCount)
            let started = ContinuousClock.now
            let pass = try VisionPass(package, on: backend, options: model.engineOptions())
            let measurement = ImagesMeasurement(pass: pass)
            // The weights are loaded with the first pass.
            try measurement.pass(imageCount: 1)
            let loadSeconds = (ContinuousClock.now - started).seconds
            for count in batches.counts {
                let measured = try measurement.measure(imageCount: count, seconds: Double(seconds))
                var row = TableRow()
                row.add("suite", "images")
                row.add("build_version", Version.text)
                row.add("backends", backend.summary)
                row.add("model_filename", package.name)
                row.add("weight_format", model.dtype?.rawValue ?? "as stored")
                row.add("precision", model.precision?.rawValue ?? "auto")
                row.add("batch", count)
                row.add("load_seconds", loadSeconds)
                row.add("images_per_second", Double(count) / measured.seconds.median)
                row.add("samples_s", measured.seconds.sorted)
                row.add("processor_ms_per_image", measured.processorSeconds * 1000)
                row.add("peak_bytes", PeakMemory.byteCount())
                row.show("model", package.name)
                row.show("format", model.dtype?.rawValue ?? "as stored")
                row.show("backend", backend.summary)
                row.show(number: "batch", "\(count)")
                row.show(number: "images/s", fixed(Double(count) / measured.seconds.median, digits: 2))
                row.show(number: "best", fixed(Double(count) / (measured.seconds.sorted.first ?? 1), digits: 2))
                row.show(number: "cpu ms/image", fixed(measured.processorSeconds * 1000, digits: 1))
                row.show(number: "peak", fixed(Double(PeakMemory.byteCount()) / 1_048_576, digits: 0) + " MiB")
                try output.write(row)
            }
            if model.profile { try printProfile(measurement, backend, package.name) }
        }
    }

    private func printProfile(_ measurement: ImagesMeasurement, _ backend: any Backend, _ name: String) throws {
        for count in batches.counts {
            backend.setProfiling(true)
            try measurement.pass(imageCount: count)
            let entries = try backend.profile()
            backend.setProfiling(false)
            ProfileTable(entries, unit: (name: "image", count: count))
                .print(title: "\(name), \(count) images")
        }
    }
}
