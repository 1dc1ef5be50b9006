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
        /// What the question was made into; `nil`: nothing.
        var query: TransformedQuery?
        /// What of the answer its sources support; `nil`: not asked.
        var groundedness: Groundedness?
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
                isJSON ? json(text, citations: [], cited: true, sources: [], found: false) : text)
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
                    json(
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
            try writeGroundedness()
            try output.flush()
            if !answer.unknownNumbers.isEmpty {
                let numbers = answer.unknownNumbers.map { "[\($0)]" }.joined(separator: ", ")
                StandardErrorLog.line("infer: warning: the answer names \(numbers), which no source is")
            }
        }

        private mutating func writeGroundedness() throws {
            guard let groundedness else { return }
            let sentences = groundedness.sentences
            let supported = sentences.filter(\.isSupported).count
            try output.writeLine("\n\(supported) of \(sentences.count) sentences are supported by a source.")
            for sentence in sentences where !sentence.isSupported {
                try output.writeLine(
                    "  not supported (\(fixed(sentence.support, digits: 2))): \(links.printable(sentence.text))")
            }
        }

        private static func write(_ groundedness: Groundedness, to writer: inout JSONWriter) {
            writer.beginObject()
            writer.key("share")
            // Supports are probabilities, so that they are finite.
            if let share = groundedness.share { try? writer.value(share) } else { writer.null() }
            writer.key("sentences")
            writer.beginArray()
            for sentence in groundedness.sentences {
                writer.beginObject()
                writer.member("text", sentence.text)
                try? writer.member("support", sentence.support)
                if let source = sentence.source { writer.member("source", source) }
                writer.member("supported", sentence.isSupported)
                writer.endObject()
            }
            writer.endArray()
            writer.endObject()
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
        private func json(
            _ text: String, citations: [AnswerSource], cited: Bool, sources: [AnswerSource]?, found: Bool
        ) -> String {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("answer", text)
            writer.key("citations")
            AnswerOutput.write(citations, cited: cited, to: &writer)
            if let sources {
                writer.key("sources")
                AnswerOutput.write(sources, cited: nil, to: &writer)
            }
            writer.member("found", found)
            if let groundedness {
                writer.key("groundedness")
                AnswerOutput.write(groundedness, to: &writer)
            }
            if let query {
                writer.key("queries")
                writer.beginArray()
                for text in query.queries + query.passages { writer.value(text) }
                writer.endArray()
            }
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
