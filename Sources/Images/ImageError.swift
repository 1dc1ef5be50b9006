/// Why an image, or what is said of preparing one, cannot be used. Every description is one line.
public enum ImageError: Error, Sendable, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case unwritable(path: String, reason: String)
    /// The first bytes are of no format that is read here.
    case unknownFormat(path: String)
    case broken(path: String, format: String, reason: String)
    case tooLarge(path: String, width: Int, height: Int, maximumPixelCount: Int)
    case outOfMemory(path: String)
    case libraryMissing(package: String, reason: String)
    /// A configuration of preprocessing says something that cannot be done.
    case invalidConfiguration(path: String, key: String, reason: String)

    /// An image is larger than what its values are padded to.
    case doesNotFit(width: Int, height: Int, largestWidth: Int, largestHeight: Int)

    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .unwritable(let path, let reason): "\(path): cannot be written: \(reason)"
        case .unknownFormat(let path): "\(path): is no PNG or JPEG file; convert it to one of them"
        case .broken(let path, let format, let reason): "\(path): broken \(format) file: \(reason)"
        case .tooLarge(let path, let width, let height, let maximum):
            "\(path): has \(width) x \(height) pixels, over the \(maximum) that are read; make it smaller"
        case .outOfMemory(let path): "\(path): not enough memory for the image"
        case .libraryMissing(let package, let reason):
            "images need the library of Debian's package \(package): \(reason); install it"
        case .invalidConfiguration(let path, let key, let reason): "\(path): key '\(key)' \(reason)"
        case .doesNotFit(let width, let height, let largestWidth, let largestHeight):
            "an image of \(width) x \(height) pixels is larger than 'pad_size', \(largestWidth) x \(largestHeight)"
        }
    }
}
