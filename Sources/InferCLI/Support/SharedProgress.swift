import CommandSupport

/// A progress line for work whose length is not known, which several closures share.
final class SharedProgress {
    private var line: ProgressLine

    init(_ title: String) { line = ProgressLine(title) }

    func update(_ detail: @autoclosure () -> String) { line.update(detail()) }

    func clear() { line.clear() }
}
