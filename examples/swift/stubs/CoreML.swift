// What CoreMLEngine.swift calls of Core ML, as declarations: it is compiled against these where there is no Mac.

import Foundation

public enum MLComputeUnits { case all, cpuOnly, cpuAndGPU, cpuAndNeuralEngine }

public class MLModelConfiguration {
    public init() {}
    public var computeUnits: MLComputeUnits = .all
}

public class MLMultiArray {
    public convenience init<Scalar>(_ shapedArray: MLShapedArray<Scalar>) { fatalError() }
    init() {}
}

public struct MLShapedArray<Scalar> {
    public init<S: Sequence>(scalars: S, shape: [Int]) where S.Element == Scalar { fatalError() }
    public init(_ multiArray: MLMultiArray) { fatalError() }
    public var scalars: [Scalar] { fatalError() }
    public var shape: [Int] { fatalError() }
}

public class MLFeatureValue {
    public var multiArrayValue: MLMultiArray? { fatalError() }
}

public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for featureName: String) -> MLFeatureValue?
}

public class MLDictionaryFeatureProvider: MLFeatureProvider {
    public init(dictionary: [String: Any]) throws { fatalError() }
    public var featureNames: Set<String> { fatalError() }
    public func featureValue(for featureName: String) -> MLFeatureValue? { fatalError() }
}

public class MLModel {
    public class func compileModel(at modelURL: URL) throws -> URL { fatalError() }
    public init(contentsOf url: URL, configuration: MLModelConfiguration) throws { fatalError() }
    public func prediction(from input: MLFeatureProvider) throws -> MLFeatureProvider { fatalError() }
}
