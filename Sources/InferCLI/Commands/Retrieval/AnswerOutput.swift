#if SQLite
    import CommandSupport
    import Foundation
    import Glibc
    import JSONCore
    import Retrieval

    /// Writes an answer as it comes, then what it cites; or all of it as one JSON object.
    struct AnswerOutput {
        let showsSources: Bool
        let isJSON: Bool
        private let links = SourceLinks(isTerminal: isatty(STDOUT_FILENO) == 1)
        private var output = OutputWriter()
        private var hasBegun = false

        init(showsSources: Bool, isJSON: Bool) {
            self.showsSources = showsSources
            self.isJSON = isJSON
        }

        mutating func writeNothingFound(in path: String) throws {
            let text = "Nothing in \(path) has to do with the question."
            try output.writeLine(
                isJSON ? AnswerOutput.json(text, citations: [], cited: true, sources: [], found: false) : text)
            try output.flush()
        }

        mutating func write(_ update: AnswerUpdate, _ prompt: AnswerPrompt) throws {
            switch update {
            case .text(let text): try write(text)
            case .citation(let spelling, let sources): try write(links.link(spelling, to: sources.first))
            case .finished(let answer): try finish(answer, prompt)
            }
        }

        /// The answer is streamed, without the space that models begin with.
        private mutating func write(_ text: String) throws {
            guard !isJSON else { return }
            let text = hasBegun ? text : String(text.drop { $0.isWhitespace })
            guard !text.isEmpty else { return }
            hasBegun = true
            try output.write(links.printable(text))
            try output.flush()
        }

        private mutating func finish(_ answer: CitedAnswer, _ prompt: AnswerPrompt) throws {
            let cited = !answer.citations.isEmpty
            if isJSON {
                try output.writeLine(
                    AnswerOutput.json(
                        answer.text, citations: cited ? answer.citations : prompt.sources, cited: cited,
                        sources: showsSources ? prompt.sources : nil, found: true))
                return try output.flush()
            }
            try output.writeLine("\n")
            let listed = showsSources || !cited ? prompt.sources : answer.citations
            if !cited { try output.writeLine("The answer names no source. It was given:") }
            for source in listed.sorted(by: { $0.number < $1.number }) {
                let place = links.link(links.printable(AnswerOutput.place(source)), to: source)
                let headings = source.headings.isEmpty ? "" : " · " + source.headings.joined(separator: " › ")
                try output.writeLine("[\(source.number)] \(place)\(links.printable(headings))")
                guard showsSources else { continue }
                for line in source.text.split(separator: "\n") {
                    try output.writeLine("    " + links.printable(String(line)))
                }
            }
            try output.flush()
            if !answer.unknownNumbers.isEmpty {
                let numbers = answer.unknownNumbers.map { "[\($0)]" }.joined(separator: ", ")
                StandardErrorLog.line("infer: warning: the answer names \(numbers), which no source is")
            }
        }

        /// `path:12-18`, or the bytes where there are no lines.
        private static func place(_ source: AnswerSource) -> String {
            let name = source.key == source.path ? source.path : "\(source.path) (\(source.key))"
            guard let lines = source.lines else {
                return "\(name), bytes \(source.byteRange.lowerBound) to \(source.byteRange.upperBound)"
            }
            return lines.count == 1 ? "\(name):\(lines.lowerBound)" : "\(name):\(lines.lowerBound)-\(lines.upperBound)"
        }

        /// - Parameter sources: all that the model was given, where they are shown.
        private static func json(
            _ text: String, citations: [AnswerSource], cited: Bool, sources: [AnswerSource]?, found: Bool
        ) -> String {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("answer", text)
            writer.key("citations")
            write(citations, cited: cited, to: &writer)
            if let sources {
                writer.key("sources")
                write(sources, cited: nil, to: &writer)
            }
            writer.member("found", found)
            writer.endObject()
            return writer.text
        }

        private static func write(_ sources: [AnswerSource], cited: Bool?, to writer: inout JSONWriter) {
            writer.beginArray()
            for source in sources {
                writer.beginObject()
                writer.member("number", source.number)
                writer.member("id", source.key)
                writer.member("path", source.path)
                writer.member("start", source.byteRange.lowerBound)
                writer.member("end", source.byteRange.upperBound)
                if let lines = source.lines {
                    writer.member("start_line", lines.lowerBound)
                    writer.member("end_line", lines.upperBound)
                }
                writer.member("text", source.text)
                if let cited { writer.member("cited", cited) }
                writer.endObject()
            }
            writer.endArray()
        }
    }

    /// Links from a terminal to files, by the escape sequence OSC 8 that most terminals know.
    struct SourceLinks {
        let isTerminal: Bool

        /// `text` as a link to a source's file and line; elsewhere and without a source, as it is.
        func link(_ text: String, to source: AnswerSource?) -> String {
            guard isTerminal, let source else { return text }
            var components = URLComponents()
            components.scheme = "file"
            components.host = ProcessInfo.processInfo.hostName
            components.path = URL(fileURLWithPath: source.path).path
            components.fragment = source.lines.map { "L\($0.lowerBound)" }
            guard let address = components.string else { return text }
            return "\u{1B}]8;;\(address)\u{1B}\\\(text)\u{1B}]8;;\u{1B}\\"
        }

        /// A text that cannot command a terminal, whatever a document or a model has written.
        func printable(_ text: String) -> String {
            guard isTerminal else { return text }
            return String(
                String.UnicodeScalarView(
                    text.unicodeScalars.filter {
                        $0 == "\n" || $0 == "\t" || $0.properties.generalCategory != .control
                    }))
        }
    }
#endif
