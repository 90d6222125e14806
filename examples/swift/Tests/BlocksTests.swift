import XCTest
@testable import AmtExport

final class BlocksTests: XCTestCase {
    private func manifest(skip: Int, hop: Int, frameLength: Int) throws -> Manifest {
        let text = """
        {"name": "m", "sampling_rate": 100, "padding": "zero", "hop": \(hop), "frame_length": \(frameLength),
         "stream": {"block": 4, "skip": \(skip), "latency": 0, "states": [],
          "inputs": [{"name": "audio", "shape": [null, 4], "axes": ["batch", "time"], "unit": "Pa"}],
          "outputs": [{"name": "y", "shape": [null, 1, 4], "axes": ["batch", "channel", "time"], "unit": "Pa"}]}}
        """
        return try Manifest.read(Data(text.utf8))
    }

    func testTheLastPartialBlockIsKept() throws {
        var blocks = try Blocks(manifest(skip: 0, hop: 1, frameLength: 1))
        var frames = blocks.push([[1, 2, 3, 4, 5, 6]], size: 1) { $0 }
        frames += blocks.flush(size: 1) { $0 }
        XCTAssertEqual(frames, [1, 2, 3, 4, 5, 6])
    }

    func testFramesBeforeTheSignalAreDropped() throws {
        var blocks = try Blocks(manifest(skip: 1, hop: 2, frameLength: 0))
        // A model that answers with every second sample, one frame late.
        var before: Float = 0
        let late = { (block: [Float]) -> [Float] in
            defer { before = block[2] }
            return [before, block[0]]
        }
        var frames = blocks.push([[1, 2, 3, 4, 5]], size: 1, run: late)
        frames += blocks.flush(size: 1, run: late)
        XCTAssertEqual(frames.count, 1 + 5 / 2)
    }

    func testFullScaleIsOnePascalRootMeanSquare() throws {
        XCTAssertEqual(try manifest(skip: 0, hop: 1, frameLength: 1).gain(), 1.4142, accuracy: 1e-3)
    }
}
