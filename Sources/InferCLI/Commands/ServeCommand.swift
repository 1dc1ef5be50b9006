#if HTTP
    import ArgumentParser
    import CommandSupport
    import Foundation
    import Inference
    import Logging
    import Models
    import Serving
    import TensorCore

    /// `infer serve`: the HTTP server.
    struct ServeCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "serve",
            abstract: "Serves models over HTTP, as OpenAI's, Anthropic's and llama.cpp's APIs have it.",
            discussion: """
                --model may be repeated; requests choose by `model`, the first serves those that name none. The first SIGTERM \
                or Ctrl-C lets running requests finish, a second one ends at once. See docs/serving.md.
                """)

        @OptionGroup(title: "Model") var model: ModelOptions
        @OptionGroup(title: "Server") var server: ServerOptions
        @OptionGroup(title: "Engine") var engine: ServingEngineOptions
        #if SQLite
            @OptionGroup(title: "Documents") var documents: ServedCollectionOptions
        #endif

        func validate() throws {
            try model.validate()
            try server.validate()
            try engine.validate()
            guard !server.anyModel || model.models.count <= 1 else {
                throw ValidationError("--any-model takes every name for one model; give one --model")
            }
            guard server.alias.count <= 1 || model.models.count <= 1 || server.alias.count == model.models.count else {
                throw ValidationError("give one --alias for each --model, in the same order")
            }
        }

        func run() async throws {
            let log = server.logger(verbose: model.verbose)
            let options = try server.servingOptions()
            if !server.isLoopback, options.apiKeys.isEmpty {
                log.warning("\(options.host) can be reached by others and no API key is set; give --api-key")
            }
            var models: [ServedModel] = []
            var tasks: [TaskModel] = []
            var taken: Set<String> = []
            for (index, path) in (model.models.isEmpty ? [nil] : model.models.map(Optional.some)).enumerated() {
                let package = try model.openPackage(path, offersAdapters: true)
                let names = names(path, index)
                try check(names, package, &taken)
                if package.kind == .encoder {
                    tasks.append(try loadTask(package, names))
                } else {
                    models.append(try await load(package, names))
                }
            }
            let collections = try openCollections()
            let names = (models.map(\.name) + tasks.map(\.name) + collections.map(\.name)).joined(separator: ", ")
            let service = InferenceServer(
                ModelDirectory(models, tasks: tasks, servesAnyName: options.servesAnyModel), collections: collections,
                options: options, log: log
            ) { port in
                log.notice("listening on http://\(options.host):\(port), serving \(names)")
            }
            let keeper = closeStaleCollections(collections)
            defer { keeper.cancel() }
            do {
                try await service.run()
            } catch is CancellationError {
                throw ExitCode(130)
            }
            log.notice("ended")
        }

        private func openCollections() throws -> [any ServedCollection] {
            #if SQLite
                try documents.open(model)
            #else
                []
            #endif
        }

        /// A search opens a collection that has changed anew. Where none comes, the old one is closed all the same, because it
        /// keeps the writer's log from being emptied.
        private func closeStaleCollections(_ collections: [any ServedCollection]) -> Task<Void, any Error> {
            Task {
                #if SQLite
                    while !collections.isEmpty {
                        try await Task.sleep(for: .seconds(5))
                        for case let collection as SearchedCollection in collections { collection.closeStale() }
                    }
                #endif
            }
        }

        /// A name that two models have, or a model and its adapter, would only ever reach the first.
        private func check(_ names: [String], _ package: ModelPackage, _ taken: inout Set<String>) throws {
            if let adapter = package.adapters.first(where: { names.contains($0.name) }) {
                throw InferenceError.invalidParameter(
                    name: "--lora", value: adapter.name, expected: "a name other than the model's")
            }
            guard !taken.contains(names[0]) else {
                throw InferenceError.invalidParameter(
                    name: "--model", value: names[0], expected: "a name that no other model has; give each an --alias")
            }
            taken.formUnion(names)
        }

        private func names(_ path: String?, _ index: Int) -> [String] {
            let name = path.map(ServeCommand.shortName) ?? "bard"
            if model.models.count <= 1 { return server.alias + [name] }
            return server.alias.indices.contains(index) ? [server.alias[index], name] : [name]
        }

        /// The last two components of `org/name`, else the folder's or file's name.
        private static func shortName(_ path: String) -> String {
            let last = URL(fileURLWithPath: path).lastPathComponent
            for ending in [".gguf", ".safetensors"] where last.hasSuffix(ending) {
                return String(last.dropLast(ending.count))
            }
            return last
        }

        private func load(_ package: ModelPackage, _ names: [String]) async throws -> ServedModel {
            try package.requireGenerator()
            let backend = try model.makeBackend()
            var options = try engine.apply(to: model.engineOptions(), package)
            options.queueCapacity = server.maxQueue
            let loaded = try await Engine(package, on: backend, options: options)
            return ServedModel(
                name: names[0], aliases: Array(names.dropFirst()), engine: loaded,
                created: Int(Date().timeIntervalSince1970), sequenceCount: options.sequenceCount)
        }

        /// What a model that writes no text is good for: vectors, or labels, of which a single one is a relevance.
        private func loadTask(_ package: ModelPackage, _ names: [String]) throws -> TaskModel {
            let backend = try model.makeBackend()
            let options = TaskOptions(engine: model.engineOptions(), truncates: true)
            let description = try package.describeEncoder()
            let task: TaskModel.Task =
                if description.task != .sequenceClassification {
                    .embedder(try Embedder(package, on: backend, options: options))
                } else if description.labels.count == 1 {
                    .reranker(try Reranker(package, on: backend, options: options))
                } else {
                    .classifier(try Classifier(package, on: backend, options: options))
                }
            return TaskModel(
                name: names[0], aliases: Array(names.dropFirst()), task: task, tokenizer: package.tokenizer,
                created: Int(Date().timeIntervalSince1970))
        }
    }

    /// How large the engines of a server are.
    struct ServingEngineOptions: ParsableArguments {
        @Option(
            name: [.customLong("parallel"), .customShort("p")], parsing: .unconditional,
            help: "Most sequences that run at once; more wait.")
        var parallel = 16

        @Option(
            parsing: .unconditional,
            help:
                "Tokens that the paged cache holds over all sequences; left out, as many as the sequences need, at most 1 GiB."
        )
        var cacheTokens: Int?

        @Option(parsing: .unconditional, help: "Most tokens of one pass; longer prompts are computed in chunks.")
        var batchTokens = 512

        func validate() throws {
            try OptionRange.check("--parallel", parallel, in: 1...1024)
            try OptionRange.check("--cache-tokens", cacheTokens, in: 1...Int(Int32.max))
            try OptionRange.check("--batch-tokens", batchTokens, in: 1...65_536)
        }

        func apply(to options: EngineOptions, _ package: ModelPackage) throws -> EngineOptions {
            var options = options
            options.sequenceCount = parallel
            options.passTokenCount = batchTokens
            let description = try package.generatorPlan().description
            let bytesPerToken =
                description.layerCount * 2 * description.keyValueHeadCount * description.headSize
                * options.cacheType(for: package.checkpoint).byteCount
            let fitting = max((1 << 30) / max(bytesPerToken, 1), options.blockSizeInTokens)
            let context = options.contextLength ?? description.maxContextLength
            // An encoder-decoder keeps what it has read beside what it writes.
            let sides = description.source == nil ? 1 : 2
            let (wanted, overflow) = context.multipliedReportingOverflow(by: sides * parallel)
            // A context that was asked for is kept, whatever memory it takes.
            options.cacheTokenCount =
                cacheTokens
                ?? max(
                    overflow ? fitting : min(wanted, fitting),
                    sides * ((options.contextLength ?? 1) + options.blockSizeInTokens - 1))
            return options
        }
    }
#endif
