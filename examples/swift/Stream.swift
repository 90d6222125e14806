// A streaming model in Swift, on Core ML, driven by the manifest of a published folder.

import CoreML
import Foundation

struct Manifest: Decodable {
    struct Port: Decodable { let name: String; let shape: [Int] }
    struct State: Decodable { let input, output: String; let shape: [Int]; let initial: Float }
    struct Streaming: Decodable { let block: Int; let inputs, outputs: [Port]; let states: [State] }
    let name: String
    let stream: Streaming
}

final class Stream {
    let info: Manifest.Streaming
    private let model: MLModel
    private var states: [String: MLMultiArray] = [:]

    init(folder: URL) throws {
        let text = try Data(contentsOf: folder.appendingPathComponent("manifest.json"))
        let manifest = try JSONDecoder().decode(Manifest.self, from: text)
        info = manifest.stream
        let package = folder.appendingPathComponent("\(manifest.name).stream.mlpackage")
        let configuration = MLModelConfiguration()
        configuration.computeUnits = .cpuOnly  // a block of some milliseconds is not worth a way to the GPU
        model = try MLModel(contentsOf: MLModel.compileModel(at: package), configuration: configuration)
        try reset()
    }

    /// Forget the signal.
    func reset() throws {
        for state in info.states {
            let size = state.shape.reduce(1, *)
            states[state.input] = try array(Array(repeating: state.initial, count: size), state.shape)
        }
    }

    /// Run one block of `info.block` samples, in the model's unit; return the first output, row by row.
    func run(_ block: [Float]) throws -> [Float] {
        var features: [String: Any] = states
        features[info.inputs[0].name] = try array(block, info.inputs[0].shape)
        let answer = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: features))
        for state in info.states {
            states[state.input] = answer.featureValue(for: state.output)!.multiArrayValue!
        }
        let output = answer.featureValue(for: info.outputs[0].name)!.multiArrayValue!
        return MLShapedArray<Float>(output).scalars
    }

    private func array(_ values: [Float], _ shape: [Int]) throws -> MLMultiArray {
        let made = MLShapedArray<Float>(scalars: values, shape: shape)
        return MLMultiArray(made)
    }
}
