// A published streaming model in Swift, on Core ML.

#if canImport(CoreML)
import CoreML
import Foundation

/// What to do about NaN and infinity: throw, or go on from silence with the next block.
public enum Nonfinite { case error, reset }

public final class Stream {
    public let manifest: Manifest
    /// Numbers in a frame of the first output: of all channels, or of both ears.
    public let frameSize: Int
    /// How often the stream went on from silence.
    public private(set) var resets = 0

    private let nonfinite: Nonfinite
    private let model: MLModel
    private let outer, inner: Int
    private var blocks: Blocks
    private var states: [String: MLMultiArray] = [:]

    /// Open what `amt-export build` published.
    public init(folder: URL, nonfinite: Nonfinite = .error) throws {
        manifest = try Manifest.read(Data(contentsOf: folder.appendingPathComponent("manifest.json")))
        self.nonfinite = nonfinite
        blocks = try Blocks(manifest)
        let output = manifest.stream.outputs[0]
        let axis = output.axes.firstIndex { $0 == "time" || $0 == "frame" } ?? 1
        outer = output.sizes[1..<axis].reduce(1, *)
        inner = output.sizes[(axis + 1)...].reduce(1, *)
        frameSize = outer * inner
        let package = folder.appendingPathComponent("\(manifest.name).stream.mlpackage")
        let configuration = MLModelConfiguration()
        configuration.computeUnits = .cpuOnly  // a block of some milliseconds is not worth a way to the GPU
        model = try MLModel(contentsOf: MLModel.compileModel(at: package), configuration: configuration)
        rest()
    }

    /// Go on with the signal: samples of each ear in the model's unit; returns the frames of the first output that
    /// these make known, time first.
    public func push(_ samples: [[Float]]) throws -> [Float] {
        if nonfinite == .error, samples.contains(where: { $0.contains { !$0.isFinite } }) {
            throw StreamError(message: "\(manifest.name): a sample is NaN or infinite")
        }
        return try blocks.push(samples, size: frameSize, run: run)
    }

    /// End the signal: return the frames that are still missing, and start afresh.
    public func flush() throws -> [Float] {
        let frames = try blocks.flush(size: frameSize, run: run)
        rest()
        return frames
    }

    /// Forget the signal.
    public func reset() {
        blocks.reset()
        rest()
    }

    private func run(_ block: [Float]) throws -> [Float] {
        let audio = manifest.stream.inputs[0]
        var features: [String: Any] = states
        features[audio.name] = array(block, audio.sizes)
        let answer = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: features))
        var finite = true
        for state in manifest.stream.states {
            let next = answer.featureValue(for: state.output)!.multiArrayValue!
            states[state.input] = next
            finite = finite && MLShapedArray<Float>(next).scalars.allSatisfy(\.isFinite)
        }
        if !finite {
            rest()
            resets += 1
            if nonfinite == .error {
                throw StreamError(message: "\(manifest.name): a state is not finite: the audio is too large")
            }
        }
        let output = answer.featureValue(for: manifest.stream.outputs[0].name)!.multiArrayValue!
        let values = MLShapedArray<Float>(output).scalars
        let steps = values.count / frameSize
        var frames = [Float](repeating: 0, count: values.count)
        for step in 0..<steps {
            for row in 0..<outer {
                for i in 0..<inner { frames[step * frameSize + row * inner + i] = values[(row * steps + step) * inner + i] }
            }
        }
        return frames
    }

    private func rest() {
        for state in manifest.stream.states {
            let size = state.sizes.reduce(1, *)
            states[state.input] = array(Array(repeating: state.initial, count: size), state.sizes)
        }
    }

    private func array(_ values: [Float], _ shape: [Int]) -> MLMultiArray {
        MLMultiArray(MLShapedArray<Float>(scalars: values, shape: shape))
    }
}
#endif
