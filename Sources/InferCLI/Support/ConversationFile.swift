import Glibc
import Inference
import JSONCore

/// A conversation as a JSON file: an object with `messages`, which `infer template` reads too.
enum ConversationFile {
    static func path(_ argument: String?) throws -> String {
        guard let argument else { throw InputError.unreadable(name: "the conversation", reason: "name a file") }
        return argument
    }

    static func save(_ messages: [ChatMessage], to path: String) throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("messages")
        writer.beginArray()
        for message in messages {
            writer.beginObject()
            writer.member("role", message.role)
            writer.member("content", message.content)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw InputError.unreadable(name: path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        let bytes = Array((writer.text + "\n").utf8)
        var position = 0
        while position < bytes.count {
            let count = bytes[position...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else {
                throw InputError.unreadable(name: path, reason: String(cString: strerror(errno)))
            }
            position += max(count, 0)
        }
    }

    static func load(_ path: String) throws -> [ChatMessage] {
        let root = try JSONDocument(parsing: InputText.file(path), source: path).root
        return try root.require("messages").requireArray().map { message in
            ChatMessage(role: try message.requireString("role"), content: try message.requireString("content"))
        }
    }
}
