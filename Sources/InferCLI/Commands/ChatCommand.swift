import ArgumentParser
import CommandSupport
import Glibc
import Inference
import Logging
import TensorCore

/// `infer chat`: a conversation in the terminal.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Talks with a model, by its own chat template.",
        discussion: "/help lists the commands inside. Where standard input is no terminal, each line is a message.")

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingOptions

    @Option(help: "The system prompt.")
    var system: String?

    func validate() throws {
        try model.validate()
        try OptionRange.check("--max-tokens", sampling.maxTokens, in: 1...Int(Int32.max))
        try OptionRange.check("--top-k", sampling.topK, in: 0...Int(Int32.max))
    }

    func run() async throws {
        let package = try model.openPackage()
        try package.requireDecoder()
        let template = try package.conversationTemplate()
        if let notice = template.notice { model.logger.notice("\(notice)") }
        let engine = try await Engine(
            package, on: model.makeBackend(),
            options: model.engineOptions(defaultPrecision: sampling.seed == nil ? .automatic : .highest))
        let session = try ChatSession(
            engine: engine, template: template, system: system, sampling: sampling.parameters(package.generation),
            maxTokens: sampling.maxTokens, stopStrings: sampling.stop)
        var conversation = TerminalConversation(session: session)
        try await conversation.run()
    }
}

/// Reads messages and commands, prints answers.
struct TerminalConversation {
    let session: ChatSession
    private let isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    private var editor = LineEditor()
    /// Standard input where it is no terminal.
    private var lines: TextLines?
    private var output = OutputWriter()
    /// Ctrl-C at a terminal, from before a line is read, so that none right behind the line ends the process.
    private let terminalInterrupt: InterruptSignal?

    init(session: ChatSession) {
        self.session = session
        terminalInterrupt = isTerminal ? InterruptSignal([SIGINT]) : nil
    }

    private static let help = """
        /help            this list
        /clear           forgets the conversation, but for the system prompt
        /system TEXT     sets the system prompt; without a text, removes it
        /regen           another answer to the last message
        /save FILE       writes the conversation as JSON
        /load FILE       reads one
        /quit            ends (also Ctrl-D); Ctrl-C stops an answer
        """

    mutating func run() async throws {
        if isTerminal { try say("/help lists commands; Ctrl-C stops an answer, Ctrl-D ends.") }
        while let line = try nextLine() {
            let text = line.trimmingPrefix { $0 == " " }.description
            if text.isEmpty { continue }
            if text.hasPrefix("/") {
                guard try await command(text) else { return }
            } else {
                try await answer { session in try await session.send(line) }
            }
        }
    }

    private mutating func nextLine() throws -> String? {
        terminalInterrupt?.reset()
        if isTerminal { return editor.read(prompt: "> ") }
        if lines == nil { lines = try TextLines(path: "-") }
        return try lines?.next(1).first
    }

    private mutating func say(_ text: String) throws {
        try output.writeLine(text)
        try output.flush()
    }

    /// - Returns: whether the conversation goes on.
    private mutating func command(_ line: String) async throws -> Bool {
        let parts = line.split(separator: " ", maxSplits: 1)
        let argument = parts.count > 1 ? String(parts[1]) : nil
        do {
            switch parts[0] {
            case "/help", "/?": try say(TerminalConversation.help)
            case "/clear": await session.clear()
            case "/system": await session.setSystem(argument)
            case "/regen", "/retry": try await answer { session in try await session.regenerate() }
            case "/save": try await ConversationFile.save(session.messages, to: ConversationFile.path(argument))
            case "/load": await session.restore(try ConversationFile.load(ConversationFile.path(argument)))
            case "/quit", "/exit", "/q": return false
            default: try say("\(parts[0]) is no command; /help lists them")
            }
        } catch let error as OutputError {
            throw error
        } catch {
            report(error)
        }
        return true
    }

    /// An error that ends an answer, not the conversation.
    private func report(_ error: any Error) {
        let text = "error: \(error)\n"
        try? FileDescriptor(rawValue: STDERR_FILENO).writeAll(Array(text.utf8))
    }

    private mutating func answer(
        _ start: (ChatSession) async throws -> AsyncThrowingStream<GenerationUpdate, any Error>?
    ) async throws {
        let interrupt = terminalInterrupt ?? InterruptSignal()
        var styler = ReasoningStyler(isStyled: isTerminal)
        do {
            guard let updates = try await start(session) else { return try say("there is no message to answer") }
            for try await update in updates {
                try output.write(styler.style(update.text))
                try output.flush()
                if interrupt.isReceived { break }
            }
        } catch let error as OutputError {
            throw error
        } catch {
            try output.write(styler.finish())
            report(error)
        }
        try output.write(styler.finish())
        try say("")
        // Only Ctrl-C at a terminal means the answer; elsewhere, and by any other signal, the process is meant.
        if interrupt.isReceived, !isTerminal { try interrupt.endProcess() }
    }
}

/// Shows what stands between `<think>` and `</think>` dimmed. A tag may arrive in pieces.
struct ReasoningStyler {
    let isStyled: Bool
    private var held = ""
    private var isInside = false

    init(isStyled: Bool) { self.isStyled = isStyled }

    mutating func style(_ text: String) -> String {
        guard isStyled else { return text }
        held += text
        var result = ""
        while let start = held.firstRange(of: isInside ? "</think>" : "<think>") {
            let before = held[..<start.lowerBound]
            result += isInside ? before + "</think>\u{1B}[0m" : before + "\u{1B}[2m<think>"
            held = String(held[start.upperBound...])
            isInside.toggle()
        }
        // What may be the beginning of a tag waits.
        let tag = isInside ? "</think>" : "<think>"
        let waiting = (1..<tag.count).reversed().first { held.hasSuffix(tag.prefix($0)) } ?? 0
        result += held.dropLast(waiting)
        held = String(held.suffix(waiting))
        return result
    }

    mutating func finish() -> String {
        defer {
            held = ""
            isInside = false
        }
        return held + (isInside ? "\u{1B}[0m" : "")
    }
}
