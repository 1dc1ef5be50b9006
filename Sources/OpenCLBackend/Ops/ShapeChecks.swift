internal import TensorCore

typealias ShapeChecks = ArgumentChecks
