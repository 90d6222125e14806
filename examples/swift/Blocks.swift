// Audio of any length in, blocks out: the part of a stream that knows nothing of Core ML.

import Foundation

public struct Blocks {
    /// Runs a block, ear by ear, of which `beyond` samples lie behind the end of the signal; returns its frames, time
    /// first.
    public typealias Run = (_ block: [Float], _ beyond: Int) throws -> [Float]

    public let block: Int
    public let ears: Int
    private let hop: Int
    private let frameLength: Int
    private let skip: Int
    private var pending: [Float]
    private var filled = 0
    private var pushed = 0
    private var known: Int

    public init(_ manifest: Manifest) throws {
        guard manifest.padding == "zero" else {
            throw StreamError(
                message: "\(manifest.name): mirrors a signal at its ends, which only the Python and JavaScript packages do"
            )
        }
        let sizes = manifest.stream.inputs[0].sizes
        block = manifest.stream.block
        ears = sizes.count == 3 ? sizes[1] : 1
        hop = manifest.hop
        frameLength = manifest.frameLength
        skip = manifest.stream.skip
        known = -skip
        pending = Array(repeating: 0, count: ears * block)
    }

    /// Take samples of each ear; `run` gets each full block. A frame has `size` numbers.
    public mutating func push(_ samples: [[Float]], size: Int, run: Run) rethrows -> [Float] {
        var frames: [Float] = []
        for i in 0..<(samples.first?.count ?? 0) {
            for ear in 0..<ears { pending[ear * block + filled] = samples[ear][i] }
            filled += 1
            if filled == block { try append(&frames, size: size) { try run($0, 0) } }
        }
        pushed += samples.first?.count ?? 0
        return frames
    }

    /// End the signal: zeros follow until all its frames are known; then start afresh.
    public mutating func flush(size: Int, run: Run) rethrows -> [Float] {
        let due = pushed == 0 || pushed < frameLength ? 0 : 1 + (pushed - frameLength) / hop
        var frames: [Float] = []
        var beyond = -filled
        while known < due {
            for ear in 0..<ears {
                for i in filled..<block { pending[ear * block + i] = 0 }
            }
            beyond += block
            try append(&frames, size: size) { try run($0, beyond) }
        }
        frames.removeLast(min(frames.count, max(0, known - due) * size))
        reset()
        return frames
    }

    public mutating func reset() {
        filled = 0
        pushed = 0
        known = -skip
    }

    private mutating func append(_ frames: inout [Float], size: Int, run: ([Float]) throws -> [Float]) rethrows {
        filled = 0
        let values = try run(pending)
        let steps = block / hop
        let first = min(steps, max(0, -known))  // about the time before the signal
        known += steps
        frames.append(contentsOf: values[(first * size)...])
    }
}
