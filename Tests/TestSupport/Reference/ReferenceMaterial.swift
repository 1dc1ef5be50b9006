public import Foundation

/// Finds the test data: the fixtures inside the package, and the larger reference material beside it.
public enum ReferenceMaterial {
    /// The package's root folder, from where this file was compiled.
    public static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// `Tests/Fixtures`: small pieces that travel with the package.
    public static let fixtures = packageRoot.appendingPathComponent("Tests/Fixtures")

    /// The reference material: the folder that `INFER_SHARED` names, else `../shared` beside the checkout, else nil.
    public static let shared: URL? = {
        let named = ProcessInfo.processInfo.environment["INFER_SHARED"]
        let folder =
            named.map { URL(fileURLWithPath: $0) }
            ?? packageRoot.deletingLastPathComponent().appendingPathComponent("shared")
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
            return nil
        }
        return folder
    }()

    /// The file or folder at `path` under ``shared``; where it is absent, prints that `test` did not run those cases.
    public static func locate(_ path: String, for test: String) -> URL? {
        guard let shared else {
            print("\(test): not run: no reference material (set INFER_SHARED, or put it in ../shared)")
            return nil
        }
        let url = shared.appendingPathComponent(path)
        guard FileManager.default.fileExists(atPath: url.path) else {
            print("\(test): not run: the reference material has no \(path)")
            return nil
        }
        return url
    }
}
