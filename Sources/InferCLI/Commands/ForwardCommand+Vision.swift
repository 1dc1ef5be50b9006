import CommandSupport
import Inference
import Logging
import ModelIO
import Models
import TensorCore

extension ForwardCommand {
    /// One pass of a model of images.
    func runVision(_ package: ModelPackage) throws {
        let plan = try package.visionPlan()
        let file = try Checkpoint(safetensors: inputs)
        let name = plan.description.inputName
        for stray in file.tensors.keys.filter({ $0 != name }).sorted().prefix(1) {
            model.logger.notice("\(inputs): tensor '\(stray)' is no input of this model and is not read")
        }
        guard let tensor = file[name] else { throw LoadError.missingTensor(path: inputs, name: name, tried: []) }
        var extents = tensor.shape.extents
        // A latent vector may come without the pixel that it is.
        if plan.description.task == .generation, extents.count == 2 { extents += [1, 1] }
        guard extents.count == 4 else {
            throw LoadError.invalidTensor(
                path: inputs, tensor: name, reason: "has shape \(tensor.shape), expected four dimensions [B, C, H, W]")
        }
        let values = try WeightLoader(file).floats(tensor)
        let backend = try model.makeBackend()
        let pass = try VisionPass(package, on: backend, options: model.engineOptions(defaultPrecision: .highest))
        if model.profile { backend.setProfiling(true) }
        var writer = SafetensorsWriter()
        let results = try pass.run(
            values, imageCount: extents[0], channels: extents[1],
            size: Extent2D(height: extents[2], width: extents[3]))
        for result in results { writer.add(result.name, result.values, shape: Shape(result.shape)) }
        try writer.write(to: outputs)
        if model.profile { ProfileTable(try backend.profile()).print() }
    }
}
