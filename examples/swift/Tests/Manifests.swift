// A small manifest for the tests.

import Foundation
@testable import AmtExport

func manifest(skip: Int, hop: Int, frameLength: Int, channels: Int = 1, states: [String] = []) throws -> Manifest {
    let described = states.map {
        "{\"input\": \"state_\($0)\", \"output\": \"next_state_\($0)\", \"shape\": [null, 1], \"initial\": 0.0}"
    }
    let text = """
    {"name": "m", "sampling_rate": 100, "padding": "zero", "hop": \(hop), "frame_length": \(frameLength),
     "stream": {"block": 4, "skip": \(skip), "latency": 0, "states": [\(described.joined(separator: ", "))],
      "inputs": [{"name": "audio", "shape": [null, 4], "axes": ["batch", "time"], "unit": "Pa"}],
      "outputs": [{"name": "y", "shape": [null, \(channels), 4], "axes": ["batch", "channel", "time"], "unit": "Pa"}]}}
    """
    return try Manifest.read(Data(text.utf8))
}
