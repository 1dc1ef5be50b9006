import CommandSupport
import Images
import Inference
import ModelIO
import TensorCore

/// An image with the label that its folder is named by.
struct LabelledImage {
    let path: String
    let label: String

    /// The images of a folder with a folder for each label, by label and name.
    /// - Throws: `InputError` where there are none.
    static func all(in folder: String) throws -> [LabelledImage] {
        let images = WholeFile.names(in: folder).flatMap { label -> [LabelledImage] in
            let inner = ImageFiles.join(folder, label)
            guard !label.hasPrefix("."), WholeFile.isFolder(inner) else { return [] }
            return ImageFiles.files(in: inner).map { LabelledImage(path: $0, label: label) }
        }
        guard !images.isEmpty else {
            throw InputError.unreadable(
                name: folder, reason: "it holds no images; put PNG or JPEG files into a folder for each label")
        }
        return images
    }
}

extension EvaluateClassifyCommand {
    /// Measures a model of images.
    func runImages() throws {
        if let option = [
            ("--text-field", textField), ("--pair-field", pairField), ("--label-field", labelField), ("--head", head),
        ].first(where: { $0.1 != nil }) {
            throw CommandError.unsupported(
                option: option.0, value: option.1 ?? "", reason: "images have none; leave it out")
        }
        let all = try LabelledImage.all(in: evaluation.data)
        let examples = evaluation.limit.map { Array(all.prefix($0)) } ?? all
        let package = try model.openPackage(orBundled: .digitReader)
        let backend = try model.makeBackend()
        let options = model.engineOptions(defaultPrecision: .highest)
        let labels: [String]
        let classify: ([PixelImage]) throws -> [[LabelScore]]
        if package.isCLIP {
            // In the order of the folders, each once.
            labels = all.map(\.label).reduce(into: []) { if $0.last != $1 { $0.append($1) } }
            classify = try ZeroShotClassifier(
                package, on: backend, labels: labels, template: template, options: options
            ).run
        } else {
            let task = try ImageClassifier(package, on: backend, activation: function, options: options)
            (labels, classify) = (task.labels, task.run)
        }
        let names = LabelNames(labels)
        let truths = try examples.map { example in
            guard let place = names.find(example.label) else {
                throw InputError.unreadable(
                    name: ImageFiles.join(evaluation.data, example.label),
                    reason: "the model has no label of this name; its labels are \(LabelNames.list(labels))")
            }
            return place
        }
        let answers = try evaluation.answers(examples, batchCount: ImageFiles.batchCount) { batch in
            try classify(batch.map { try ImageFiles.read($0.path) })
        }
        let pairs = zip(truths, answers).map { truth, scores in
            (truth: truth, answer: scores.first.map { names.index(of: $0.label) } ?? 0)
        }
        try finish(single(labels: labels, pairs))
    }
}
