import Glibc

/// Runs a body on a thread with a large stack and waits for it: nesting is bounded by counting, and the count must fit
/// whatever stack the caller has.
enum DeepStack {
    private static let byteCount = 256 << 20

    private final class Job<R> {
        let body: () -> R
        var result: R?

        init(_ body: @escaping () -> R) { self.body = body }
    }

    /// Runs `body` in place where no thread can be made.
    static func run<R>(_ body: () -> R) -> R {
        withoutActuallyEscaping(body) { body in
            let job = Job<R>(body)
            let start = Unmanaged.passRetained(Box { job.result = job.body() })
            var attributes = pthread_attr_t()
            pthread_attr_init(&attributes)
            defer { pthread_attr_destroy(&attributes) }
            pthread_attr_setstacksize(&attributes, byteCount)
            var thread = pthread_t()
            let status = pthread_create(
                &thread, &attributes,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Box>.fromOpaque(argument).takeUnretainedValue().run()
                    return nil
                }, start.toOpaque())
            if status == 0 { pthread_join(thread, nil) }
            start.release()
            return job.result ?? body()
        }
    }

    private final class Box {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
}
