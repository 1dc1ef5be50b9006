#if SQLite
    import CommandSupport
    import Inference
    import Models
    import Retrieval

    /// Loads the model that says whether sources support a statement.
    enum SupportModelSource {
        /// - Throws: `RetrievalError.noEntailment` for a classifier of something else.
        static func load(_ model: ModelOptions, path: String) throws -> ModelSupport {
            let package = try model.openPackage(path)
            let backend = try model.makeBackend()
            let options = model.taskOptions(truncates: true)
            if package.kind == .encoder {
                let description = try package.describeEncoder()
                if description.task == .sequenceClassification, description.labels.count > 1 {
                    let classifier = try Classifier(package, on: backend, options: options)
                    return try ModelSupport(classifier, name: package.name)
                }
            }
            return ModelSupport(try Reranker(package, on: backend, options: options), name: package.name)
        }
    }
#endif
