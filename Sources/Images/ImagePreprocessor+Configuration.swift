public import JSONCore

extension ImagePreprocessor {
    /// What a kind of processor of `transformers` does where a configuration leaves a key out; those of ViT where the kind is
    /// not known.
    private struct Defaults {
        var size: Size = .exactly(width: 224, height: 224)
        var isSquare = true
        var filter = ResamplingFilter.bilinear
        var crops = false
        var putsTransparencyOnWhite = false
        var mean = [0.5, 0.5, 0.5]
        var deviation = [0.5, 0.5, 0.5]

        static let imageNetMean = [0.485, 0.456, 0.406]
        static let imageNetDeviation = [0.229, 0.224, 0.225]

        /// - Parameter type: `image_processor_type` or `feature_extractor_type`.
        init(type: String) {
            if type.hasPrefix("ConvNext") {
                size = .shortestEdge(384, longest: nil)
                isSquare = false
                filter = .bicubic
            } else if type.hasPrefix("CLIP") || type.hasPrefix("Bit") || type.hasPrefix("ChineseCLIP") {
                size = .shortestEdge(224, longest: nil)
                (isSquare, crops, filter, putsTransparencyOnWhite) = (false, true, .bicubic, true)
                mean = [0.48145466, 0.4578275, 0.40821073]
                deviation = [0.26862954, 0.26130258, 0.27577711]
            } else if type.hasPrefix("MobileNet") {
                size = .shortestEdge(256, longest: nil)
                (isSquare, crops) = (false, true)
            } else if type.hasPrefix("Siglip") {
                (filter, putsTransparencyOnWhite) = (.bicubic, true)
            } else if type.hasPrefix("EfficientNet") {
                size = .exactly(width: 346, height: 346)
                filter = .bicubic
            } else if type.hasPrefix("DeiT") {
                size = .exactly(width: 256, height: 256)
                (crops, filter) = (true, .bicubic)
            }
        }
    }

    /// Reads a `preprocessor_config.json`, or the image processor of a `processor_config.json`.
    ///
    /// - Parameters:
    ///   - path: what errors call the file.
    ///   - channelCount: channels that the model takes.
    /// - Throws: `ImageError.invalidConfiguration`, `JSONError`.
    public init(parsing bytes: [UInt8], path: String, channelCount: Int = 3) throws {
        let root = try JSONDocument(parsing: bytes, source: path, options: .init(allowsNonFiniteNumbers: true)).root
        let object = root["image_processor"] ?? root
        let reader = PreprocessorReader(object: object, path: path)
        let type = object["image_processor_type"]?.string ?? object["feature_extractor_type"]?.string ?? ""
        let defaults = Defaults(type: type)
        let resamples = try reader.flag("do_resize", default: true)
        filter = try reader.filter("resample") ?? defaults.filter
        let isSquare = try reader.flag("default_to_square", default: defaults.isSquare)
        var size = try reader.size("size", isSquare: isSquare) ?? defaults.size
        crops = []
        let isFast = type.hasSuffix("Fast")
        arithmetic = isFast ? .torch : .pillow
        cropRounding = isFast ? .torch : .numPy
        borderColour = nil
        // Below 384 pixels ConvNeXt's processor resizes to more and keeps the middle.
        if type.hasPrefix("ConvNext"), resamples, case .shortestEdge(let edge, _) = size {
            if edge < 384 {
                let share = try reader.number("crop_pct") ?? 224 / 256
                guard share > 0.01, share <= 100 else { throw reader.invalid("crop_pct", "is \(share)") }
                size = .shortestEdge(max(Int(Double(edge) / share), 1), longest: nil)
                crops.append(CropSize(width: edge, height: edge))
            } else {
                size = .exactly(width: edge, height: edge)
            }
        }
        resize = resamples ? size : nil
        if try reader.flag("do_center_crop", default: defaults.crops) {
            crops.append(try reader.cropSize("crop_size") ?? CropSize(width: 224, height: 224))
        }
        // Without a size, images are padded to the largest one of a batch; here each is computed by itself.
        padding =
            try reader.flag("do_pad", default: false) && !type.hasPrefix("ConvNext") && !type.hasPrefix("MobileNet")
            ? try reader.cropSize("pad_size") : nil
        rescaleFactor =
            try reader.flag("do_rescale", default: true)
            ? try reader.number("rescale_factor") ?? 1 / 255 : nil
        let normalizes = try reader.flag("do_normalize", default: true)
        mean = normalizes ? try reader.numbers("image_mean") ?? Array(defaults.mean.prefix(channelCount)) : nil
        deviation = normalizes ? try reader.numbers("image_std") ?? Array(defaults.deviation.prefix(channelCount)) : nil
        self.channelCount = channelCount
        if type.hasPrefix("EfficientNet") {
            // Its processor takes one more from what it rescales, and divides by the deviation twice.
            if rescaleFactor != nil, try reader.flag("rescale_offset", default: false) {
                mean = mean?.map { $0 + 1 } ?? [1]
                deviation = deviation ?? [1]
            }
            if try reader.flag("include_top", default: true) {
                let again = try reader.numbers("image_std") ?? Array(defaults.deviation.prefix(channelCount))
                let count = max(again.count, deviation?.count ?? 0, mean?.count ?? 0)
                func all(_ numbers: [Double]) -> [Double] { (0..<count).map { numbers[$0 % numbers.count] } }
                mean = all(mean ?? [0])
                deviation = zip(all(deviation ?? [1]), all(again)).map { $0 * $1 }
            }
        }
        putsTransparencyOnWhite = try reader.flag("do_convert_rgb", default: defaults.putsTransparencyOnWhite)
        try reader.check(self)
    }

    /// Reads the `pretrained_cfg` of a folder of timm: the image is resized such that it covers the input's size over
    /// `crop_pct`, and the middle is kept; `crop_mode` may say `squash`, or `border`, which leaves nothing out.
    /// - Throws: `ImageError.invalidConfiguration`.
    public init(timm configuration: JSONValue, path: String) throws {
        let reader = PreprocessorReader(object: configuration, path: path)
        let input = try reader.numbers("input_size") ?? [3, 224, 224]
        guard input.count == 3, input.allSatisfy({ $0 >= 1 && $0 <= 16384 && $0 == $0.rounded() }) else {
            throw reader.invalid("input_size", "is not channels, height and width")
        }
        let share = try reader.number("crop_pct") ?? 0.875
        guard share > 0.01, share <= 100 else { throw reader.invalid("crop_pct", "is \(share)") }
        let (height, width) = (Int(input[1]), Int(input[2]))
        func scaled(_ size: Int) -> Int { max(Int((Double(size) / share).rounded(.down)), 1) }
        let name = configuration["interpolation"]?.string ?? "bicubic"
        let mean = try reader.numbers("mean") ?? Defaults.imageNetMean
        let channelCount = Int(input[0]) == 1 ? 1 : 3
        guard let filter = ResamplingFilter(name: name) else {
            throw reader.invalid("interpolation", "names no filter that is known")
        }
        let size: Size =
            switch configuration["crop_mode"]?.string {
            case "squash": .exactly(width: scaled(width), height: scaled(height))
            case "border": .fitting(width: scaled(width), height: scaled(height))
            default:
                scaled(height) == scaled(width)
                    ? .shortestEdge(scaled(height), longest: nil)
                    : .covering(width: scaled(width), height: scaled(height))
            }
        var border: [UInt8]?
        if configuration["crop_mode"]?.string == "border" {
            let colour = mean.map { UInt8(min(max(255 * $0, 0), 255).rounded(.toNearestOrEven)) }
            border = colour.count == 1 ? Array(repeating: colour[0], count: channelCount) : colour
        }
        self.init(
            resize: size, filter: filter, crops: [CropSize(width: width, height: height)], cropRounding: .torchvision,
            borderColour: border, mean: mean,
            deviation: try reader.numbers("std") ?? Defaults.imageNetDeviation, channelCount: channelCount)
        try reader.check(self)
    }
}

/// Typed reads of a configuration of preprocessing.
private struct PreprocessorReader {
    let object: JSONValue
    let path: String
    /// The largest side that images are resized to.
    private static let maximumSide = 16384.0

    func invalid(_ key: String, _ reason: String) -> ImageError {
        .invalidConfiguration(path: path, key: key, reason: reason)
    }

    private func value(_ key: String) -> JSONValue? { object[key].flatMap { $0.isNull ? nil : $0 } }

    func flag(_ key: String, default: Bool) throws -> Bool {
        guard let value = value(key) else { return `default` }
        guard let flag = value.bool else { throw invalid(key, "is not true or false") }
        return flag
    }

    func number(_ key: String) throws -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.double, number.isFinite else { throw invalid(key, "is no number") }
        return number
    }

    func numbers(_ key: String) throws -> [Double]? {
        guard let value = value(key) else { return nil }
        if let number = value.double, number.isFinite { return [number] }
        guard let array = value.array, array.count > 0, array.count <= 16 else {
            throw invalid(key, "is no list of numbers")
        }
        let numbers = array.compactMap(\.double)
        guard numbers.count == array.count, numbers.allSatisfy(\.isFinite) else {
            throw invalid(key, "is no list of numbers")
        }
        return numbers
    }

    func filter(_ key: String) throws -> ResamplingFilter? {
        guard let value = value(key) else { return nil }
        guard let filter = value.int.flatMap(ResamplingFilter.init(rawValue:)) else {
            throw invalid(key, "names no filter; expected 0 to 5")
        }
        return filter
    }

    /// A number (a square, or the shortest side), height and width, or the object that `transformers` writes.
    func size(_ key: String, isSquare: Bool) throws -> ImagePreprocessor.Size? {
        guard let value = value(key) else { return nil }
        func side(_ value: JSONValue?) throws -> Int {
            guard let number = value?.double, number >= 1, number <= Self.maximumSide, number == number.rounded() else {
                throw invalid(key, "has a side that is not 1 to \(Int(Self.maximumSide))")
            }
            return Int(number)
        }
        if value.double != nil {
            let size = try side(value)
            return isSquare ? .exactly(width: size, height: size) : .shortestEdge(size, longest: nil)
        }
        if let array = value.array.map(Array.init), array.count == 2 {
            return .exactly(width: try side(array[1]), height: try side(array[0]))
        }
        guard value.object != nil else { throw invalid(key, "is no size") }
        if let height = value["max_height"], let width = value["max_width"], !height.isNull, !width.isNull {
            return .within(width: try side(width), height: try side(height))
        }
        if let shortest = value["shortest_edge"], !shortest.isNull {
            let longest = try value["longest_edge"].flatMap { $0.isNull ? nil : $0 }.map { try side($0) }
            return .shortestEdge(try side(shortest), longest: longest)
        }
        return .exactly(width: try side(value["width"]), height: try side(value["height"]))
    }

    /// Height and width, or one number for both.
    func cropSize(_ key: String) throws -> ImagePreprocessor.CropSize? {
        guard let size = try size(key, isSquare: true) else { return nil }
        guard case .exactly(let width, let height) = size else { throw invalid(key, "has no height and width") }
        return ImagePreprocessor.CropSize(width: width, height: height)
    }

    func check(_ made: ImagePreprocessor) throws {
        for (key, numbers) in [("image_mean", made.mean), ("image_std", made.deviation)] {
            guard let numbers else { continue }
            guard numbers.count == 1 || numbers.count == made.channelCount else {
                throw invalid(key, "has \(numbers.count) numbers for \(made.channelCount) channels")
            }
        }
        if let zero = made.deviation?.first(where: { $0 == 0 }) { throw invalid("image_std", "holds \(zero)") }
    }
}
