import Foundation
import JSONCore
package import Logging

/// Logs one JSON object a line on standard error, for collectors of logs.
package struct JSONLog: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    package init(logLevel: Logger.Level) { self.logLevel = logLevel }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("time", Date().formatted(.iso8601))
        writer.member("level", event.level.rawValue)
        writer.member("message", event.message.description)
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }).sorted(by: {
            $0.key < $1.key
        })
        where !["time", "level", "message"].contains(key) {
            writer.member(key, value.description)
        }
        writer.endObject()
        StandardErrorLog.line(writer.text)
    }
}
