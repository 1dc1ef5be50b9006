public import TensorCore

/// What a model of images does.
public enum VisionTask: String, Sendable, Hashable, CaseIterable {
    /// One of some labels for an image.
    case classification
    /// Images of latent vectors.
    case generation
    /// No head: feature maps or hidden states, and what is pooled of them.
    case features
}

/// The sizes of a model of images that the engine and the command line need.
public struct VisionDescription: Sendable, Hashable {
    /// What the configuration calls the architecture, such as `resnet`.
    public var architecture: String
    public var task: VisionTask
    /// Channels of an input: colours of a pixel, or numbers of a latent vector.
    public var channelCount: Int
    /// Height and width of an input that the configuration names; of latent vectors 1 x 1. `nil`: any.
    public var inputSize: Extent2D?
    /// Whether the model takes inputs of no other size.
    public var isSizeFixed: Bool
    /// What the columns of a classification stand for; of a generator, what can be asked for: one more number of the latent
    /// vector for each, 1 for what is wanted and 0 for the others. Empty for other tasks.
    public var labels: [String]
    /// What pixels of values from 0 to 1 are normalised with where no file says so; `nil`: as ImageNet's are.
    public var pixelMean: [Double]?
    public var pixelDeviation: [Double]?

    /// The size that is used where none is asked for.
    public var usualSize: Extent2D { inputSize ?? Extent2D(224) }

    /// Numbers of a latent vector of a generator, without those that stand for labels.
    public var latentCount: Int { channelCount - labels.count }

    /// What the input is called: `pixel_values`, or `latents` of a generator.
    public var inputName: String { task == .generation ? "latents" : "pixel_values" }
}

/// A named result of a model of images, on the device until the next pass.
public struct VisionOutput: Sendable {
    /// As Hugging Face names it: `logits`, `last_hidden_state`, `pooler_output`, `images`.
    public let name: String
    /// `[B · rows of an image, columns]` float32; rows may be strided.
    public let values: Tensor
    /// Extents of one image's result, in the order of `layout`.
    public let extents: [Int]
    /// How the result of an image is laid out.
    public let layout: Layout

    public enum Layout: Sendable, Hashable {
        /// As it is: `extents` are its own.
        case rows
        /// `values` has a row a pixel; `extents` are channels, height and width.
        case pixels
    }
}

/// One layer of a network, for listings.
public struct VisionLayer: Sendable, Hashable {
    /// What the checkpoint calls it; empty for a layer without weights.
    public let name: String
    /// Such as `convolution 3x3 stride 2`.
    public let operation: String
    /// Channels, height and width of the result for one image.
    public let outputExtents: [Int]
    public let parameterCount: Int
    /// Multiplications that are added up, for one image.
    public let multiplyAddCount: Int
}
