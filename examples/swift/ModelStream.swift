// A published streaming model in Swift: audio of any length in, frames out. What runs the model is an `Engine`.

import Foundation

/// What to do about NaN and infinity: throw, or continue from silence with the next block.
public enum Nonfinite { case error, reset }

/// Numbers in row-major order.
public struct Tensor {
    public let values: [Float]
    public let shape: [Int]

    public init(_ values: [Float], shape: [Int]) {
        self.values = values
        self.shape = shape
    }
}

/// Runs a model once: arrays by name in, arrays by name out.
public protocol Engine {
    func run(_ inputs: [String: Tensor]) throws -> [String: Tensor]
}

/// One signal on its way through a model. It is not called `Stream`, which is a class of Foundation.
public final class ModelStream {
    public let manifest: Manifest
    /// Numbers in a frame of the first output: of all channels, or of both ears.
    public let frameSize: Int
    /// How often the stream restarted from silence.
    public private(set) var resets = 0

    /// The state with which a stream learns where its signal ends.
    private static let beyondEnd = "state_beyond_end"

    private let nonfinite: Nonfinite
    private let engine: Engine
    private let outer, inner: Int
    private var blocks: Blocks
    private var states: [String: Tensor] = [:]

    public init(manifest: Manifest, engine: Engine, nonfinite: Nonfinite = .error) throws {
        self.manifest = manifest
        self.engine = engine
        self.nonfinite = nonfinite
        blocks = try Blocks(manifest)
        let output = manifest.stream.outputs[0]
        let axis = output.axes.firstIndex { $0 == "time" || $0 == "frame" } ?? 1
        outer = output.sizes[1..<axis].reduce(1, *)
        inner = output.sizes[(axis + 1)...].reduce(1, *)
        frameSize = outer * inner
        rest()
    }

    /// Process the next samples of each ear in the model's unit; returns the frames of the first output that
    /// are complete by now, time first.
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

    /// Run a block, of which `beyond` samples lie behind the end of the signal; return its frames, time first.
    private func run(_ block: [Float], beyond: Int) throws -> [Float] {
        let audio = manifest.stream.inputs[0]
        if let state = states[Self.beyondEnd] { states[Self.beyondEnd] = filled(Float(beyond), state.shape) }
        let answer = try engine.run(states.merging([audio.name: Tensor(block, shape: audio.sizes)]) { $1 })
        for state in manifest.stream.states { states[state.input] = answer[state.output]! }
        if !states.values.allSatisfy({ $0.values.allSatisfy(\.isFinite) }) {
            rest()
            resets += 1
            if nonfinite == .error {
                throw StreamError(message: "\(manifest.name): a state is not finite: the audio is too large")
            }
        }
        let values = answer[manifest.stream.outputs[0].name]!.values
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
        for state in manifest.stream.states { states[state.input] = filled(state.initial, state.sizes) }
    }

    private func filled(_ value: Float, _ shape: [Int]) -> Tensor {
        Tensor(Array(repeating: value, count: shape.reduce(1, *)), shape: shape)
    }
}
