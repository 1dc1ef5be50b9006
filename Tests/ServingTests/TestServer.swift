import Foundation
import CPUBackend
import Devices
import Inference
import JSONCore
import Logging
import NIOCore
import NIOPosix
import Serving
import TensorCore

/// A server with the bundled model, or another one, on a port of this machine, in this process.
final class TestServer: Sendable {
    let port: Int
    private let task: Task<Void, any Error>

    private init(port: Int, task: Task<Void, any Error>) {
        self.port = port
        self.task = task
    }

    /// Runs `body` with a server, and ends the server after it.
    static func with(
        _ options: ServingOptions = ServingOptions(), models: Int = 1, folder: String? = nil, tasks: [TaskModel] = [],
        collections: [any ServedCollection] = [], sequenceCount: Int = 4, _ body: (TestServer) async throws -> Void
    ) async throws {
        var served: [ServedModel] = []
        for index in 0..<models {
            let engine = try await Engine(
                folder.map { try ModelPackage(path: $0) } ?? ModelPackage.bundled(), on: CPUBackend(threadCount: 1),
                options: EngineOptions(
                    cacheTokenCount: 512 * sequenceCount, passTokenCount: 256, sequenceCount: sequenceCount,
                    precision: .highest))
            served.append(
                ServedModel(
                    name: index == 0 ? "bard" : "bard-\(index)", aliases: index == 0 ? ["poet"] : [], engine: engine,
                    created: 1, sequenceCount: sequenceCount))
        }
        var options = options
        options.port = 0
        let directory = ModelDirectory(served, tasks: tasks, servesAnyName: options.servesAnyModel)
        let (ports, continuation) = AsyncStream<Int>.makeStream()
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let task = Task { [options] in
            defer { continuation.finish() }
            try await InferenceServer(directory, collections: collections, options: options, log: log) {
                continuation.yield($0)
            }.run()
        }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else {
            try await task.value
            throw CancellationError()
        }
        let server = TestServer(port: port, task: task)
        do {
            try await body(server)
        } catch {
            task.cancel()
            _ = await task.result
            throw error
        }
        task.cancel()
        _ = await task.result
    }

    struct Answer: Sendable {
        var status = 0
        var headers: [String: String] = [:]
        var body: [UInt8] = []

        var text: String { String(decoding: body, as: UTF8.self) }

        func json() throws -> JSONValue { try JSONDocument(parsing: body).root }

        /// The values of `data: ` lines.
        var events: [String] {
            text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
        }
    }

    func get(_ path: String, headers: [String: String] = [:], method: String = "GET") async throws -> Answer {
        try await send(request(method, path, headers, []))
    }

    func post(_ path: String, _ body: String, headers: [String: String] = [:]) async throws -> Answer {
        try await send(request("POST", path, headers, Array(body.utf8)))
    }

    func request(_ method: String, _ path: String, _ headers: [String: String], _ body: [UInt8]) -> [UInt8] {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        if method == "POST" { text += "Content-Type: application/json\r\n" }
        if headers["Content-Length"] == nil, !body.isEmpty { text += "Content-Length: \(body.count)\r\n" }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        return Array((text + "\r\n").utf8) + body
    }

    /// Sends bytes as they are and reads until the server closes.
    func send(_ bytes: [UInt8], closesOutput: Bool = false) async throws -> Answer {
        try await withConnection { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: bytes))
            if closesOutput { outbound.finish() }
            var received: [UInt8] = []
            for try await part in inbound { received.append(contentsOf: part.readableBytesView) }
            return TestServer.parse(received)
        }
    }

    /// Sends a request and goes away after so many bytes of the answer.
    func abandon(_ bytes: [UInt8], afterBytes count: Int) async throws {
        try await withConnection { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: bytes))
            var received = 0
            guard count > 0 else { return }
            for try await part in inbound {
                received += part.readableBytes
                if received >= count { return }
            }
        }
    }

    func withConnection<Value: Sendable>(
        _ body: (NIOAsyncChannelInboundStream<ByteBuffer>, NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws ->
            Value
    ) async throws -> Value {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await channel.executeThenClose(body)
    }

    private static func parse(_ bytes: [UInt8]) -> Answer {
        var answer = Answer()
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: Array("\r\n\r\n".utf8)) }) else {
            return answer
        }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        answer.status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 {
                answer.headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        let body = bytes[(end + 4)...]
        answer.body = answer.headers["transfer-encoding"] == "chunked" ? dechunked(body) : Array(body)
        return answer
    }

    private static func dechunked(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes
        while let lineEnd = rest.firstIndex(of: 13),
            let size = Int(String(decoding: rest[..<lineEnd], as: UTF8.self), radix: 16), size > 0
        {
            let start = lineEnd + 2
            guard start + size <= rest.endIndex else { return result + Array(rest.dropFirst(start - rest.startIndex)) }
            result += rest[start..<start + size]
            rest = rest[min(start + size + 2, rest.endIndex)...]
        }
        return result
    }
}
