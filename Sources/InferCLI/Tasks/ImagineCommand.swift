import ArgumentParser
import CommandSupport
import Images
import Inference
import ModelIO
import TensorCore

/// `infer imagine`: images of a generator.
struct ImagineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "imagine", abstract: "Makes images with a generator and writes them as one PNG file.",
        discussion: """
            Latent vectors are standard normal numbers of the seed: the same seed gives the same images, and the first \
            ones stay the same where more are asked for.
            """)

    @Option(help: "The seed of the latent vectors.") var seed: UInt64 = 0

    @Option(help: "Images to make.") var count = 16

    @Option(help: "Images of a row; left out, about as many as rows.") var columns: Int?

    @Option(name: [.short, .long], help: "The PNG file to write.", completion: .file(extensions: ["png"]))
    var output: String

    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try OptionRange.check("--count", count, in: 1...4096)
        try OptionRange.check("--columns", columns, in: 1...4096)
    }

    func run() async throws {
        let package = try model.openPackage()
        let backend = try model.makeBackend()
        let generator = try ImageGenerator(
            package, on: backend, options: model.engineOptions(defaultPrecision: .highest))
        if model.profile { backend.setProfiling(true) }
        let images = try generator.images(of: generator.latents(seed: seed, count: count))
        let side = Int(Double(count).squareRoot().rounded(.up))
        let grid = PixelImage(grid: images, columns: columns ?? side)
        try AtomicFile.write(to: output, chunks: [grid.png(path: output)])
        if model.profile { ProfileTable(try backend.profile()).print() }
    }
}
