import ArgumentParser
import CommandSupport
import Foundation
import Images
import Inference
import ModelIO
import TensorCore

/// `infer imagine`: images of a generator.
struct ImagineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "imagine", abstract: "Makes images with a generator and writes them as PNG files.",
        discussion: """
            Latent vectors are standard normal numbers of the seed: the same seed gives the same images, and the first \
            ones stay the same where more are asked for. Without --model, the bundled generator writes digits. --to makes \
            frames on the way from one seed's images to another's, in files that are numbered behind the name.
            """)

    @Option(help: "The seed of the latent vectors.") var seed: UInt64 = 0

    @Option(help: "Images to make.") var count = 16

    @Option(help: "Images of a row; left out, about as many as rows.") var columns: Int?

    @Option(
        help: ArgumentHelp(
            "What to show, of a generator with labels: one, or several that images take in turn; left out, all in turn.",
            valueName: "a,b,c"))
    var label: String?

    @Option(help: ArgumentHelp("Make frames on the way to the images of this seed.", valueName: "seed"))
    var to: UInt64?

    @Option(help: "Frames, with the first and the last one; left out, 16.") var frames: Int?

    @Option(name: [.short, .long], help: "The PNG file to write.", completion: .file(extensions: ["png"]))
    var output: String?

    @Flag(help: "Show the images on the terminal, also without --output.") var show = false

    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try OptionRange.check("--count", count, in: 1...4096)
        try OptionRange.check("--columns", columns, in: 1...4096)
        try OptionRange.check("--frames", frames, in: 2...10_000)
        if frames != nil, to == nil { throw ValidationError("--frames goes with --to; give both") }
        if output == nil, !show { throw ValidationError("give --output with a file to write, or --show") }
    }

    func run() async throws {
        let package = try model.openPackage(orBundled: .digitWriter)
        let backend = try model.makeBackend()
        let generator = try ImageGenerator(
            package, on: backend, options: model.engineOptions(defaultPrecision: .highest))
        let wanted = try labels(of: generator, package)
        if model.profile { backend.setProfiling(true) }
        let first = generator.latents(seed: seed, count: count)
        if let to {
            let last = generator.latents(seed: to, count: count)
            let total = frames ?? 16
            var progress = ProgressLine("infer")
            defer { progress.clear() }
            for frame in 0..<total {
                let share = Double(frame) / Double(total - 1)
                let latents = zip(first, last).map { ImageGenerator.between($0, $1, share: share) }
                try put(generator.images(of: latents, labels: wanted), frame: (frame, total))
                progress.update(Double(frame + 1) / Double(total), "\(frame + 1) frames")
            }
        } else {
            try put(generator.images(of: first, labels: wanted), frame: nil)
        }
        if model.profile { ProfileTable(try backend.profile()).print() }
    }

    /// Writes images as one grid, and shows it.
    private func put(_ images: [PixelImage], frame: (index: Int, count: Int)?) throws {
        let side = Int(Double(count).squareRoot().rounded(.up))
        let grid = PixelImage(grid: images, columns: columns ?? side)
        if let output {
            let path = frame.map { Self.path(output, frame: $0.index, of: $0.count) } ?? output
            try AtomicFile.write(to: path, chunks: [grid.png(path: path)])
        }
        guard show else { return }
        var writer = OutputWriter()
        let form = TerminalImage.form(ProcessInfo.processInfo.environment)
        try writer.write(TerminalImage(image: grid).text(form, width: ProgressLine.terminalWidth))
        try writer.flush()
    }

    /// `out.png` as `out-007.png`.
    static func path(_ output: String, frame: Int, of count: Int) -> String {
        let ending = output.lowercased().hasSuffix(".png") ? String(output.suffix(4)) : ""
        let digits = max(String(count - 1).count, 3)
        let number = String(frame)
        let zeros = String(repeating: "0", count: max(digits - number.count, 0))
        return "\(output.dropLast(ending.count))-\(zeros)\(number)\(ending)"
    }

    /// The places of the labels that are asked for.
    private func labels(of generator: ImageGenerator, _ package: ModelPackage) throws -> [Int] {
        guard let label else { return [] }
        guard !generator.labels.isEmpty else {
            throw CommandError.unsupported(
                option: "--label", value: label, reason: "\(package.name) makes images without labels; leave it out")
        }
        return try label.split(separator: ",", omittingEmptySubsequences: false).map { name in
            let name = name.trimmingCharacters(in: .whitespaces)
            guard let place = LabelNames(generator.labels).find(name) else {
                throw CommandError.unsupported(
                    option: "--label", value: label,
                    reason: "the model has no label '\(name.prefix(40))'; its labels are "
                        + LabelNames.list(generator.labels))
            }
            return place
        }
    }
}
