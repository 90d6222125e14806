// A published Core ML package as an engine of a stream, on Apple's systems.

#if canImport(CoreML)
import CoreML
import Foundation

public final class CoreMLEngine: Engine {
    private let model: MLModel

    /// Compile a package and open it.
    public init(package: URL) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = .cpuOnly  // a block of some milliseconds is not worth a way to the GPU
        model = try MLModel(contentsOf: MLModel.compileModel(at: package), configuration: configuration)
    }

    public func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
        let features = inputs.mapValues { MLMultiArray(MLShapedArray<Float>(scalars: $0.values, shape: $0.shape)) }
        let answer = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: features))
        var outputs: [String: Tensor] = [:]
        for name in answer.featureNames {
            guard let array = answer.featureValue(for: name)?.multiArrayValue else { continue }
            let shaped = MLShapedArray<Float>(array)
            outputs[name] = Tensor(shaped.scalars, shape: shaped.shape)
        }
        return outputs
    }
}

extension ModelStream {
    /// Open what `amt-export build` published.
    public convenience init(folder: URL, nonfinite: Nonfinite = .error) throws {
        let manifest = try Manifest.read(Data(contentsOf: folder.appendingPathComponent("manifest.json")))
        let package = folder.appendingPathComponent("\(manifest.name).stream.mlpackage")
        try self.init(manifest: manifest, engine: CoreMLEngine(package: package), nonfinite: nonfinite)
    }
}
#endif
