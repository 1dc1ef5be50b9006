/// What stands in a file that should be part of a model and is not: the traces of a download that went wrong.
public enum DownloadMistake {
    /// How many bytes from the start of a file are enough to tell.
    public static let prefixByteCount = 256

    /// What a file that starts with `prefix` is, and what to do; `nil` where it may be what it should be.
    /// - Parameter byteCount: of the whole file.
    public static func describe(_ prefix: some Collection<UInt8>, byteCount: Int) -> String? {
        if byteCount == 0 { return "the file is empty, as after a download that was broken off; download it again" }
        if prefix.starts(with: "version https://git-lfs.github.com/spec/".utf8) {
            return "is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder"
        }
        let text = prefix.drop { [0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }.prefix(64)
        let start = String(decoding: text, as: UTF8.self).lowercased()
        if ["<!doctype html", "<html", "<head", "<?xml"].contains(where: start.hasPrefix) {
            return "is a web page saved under this name (a login or an error of the site?); download the file itself"
        }
        if ["entry not found", "repository not found", "invalid username or password", "access to model"]
            .contains(where: start.hasPrefix)
        {
            return "holds the error of a download (\"\(firstLine(text))\"); download it again"
        }
        return nil
    }

    private static func firstLine(_ text: some Collection<UInt8>) -> String {
        String(decoding: text.prefix { $0 >= 0x20 && $0 < 0x7F }, as: UTF8.self)
    }
}
