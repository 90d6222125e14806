import XCTest
@testable import AmtExport

final class BlocksTests: XCTestCase {
    func testTheLastPartialBlockIsKept() throws {
        var blocks = try Blocks(manifest(skip: 0, hop: 1, frameLength: 1))
        var frames = blocks.push([[1, 2, 3, 4, 5, 6]], size: 1) { block, _ in block }
        frames += blocks.flush(size: 1) { block, _ in block }
        XCTAssertEqual(frames, [1, 2, 3, 4, 5, 6])
    }

    func testFramesBeforeTheSignalAreDropped() throws {
        var blocks = try Blocks(manifest(skip: 1, hop: 2, frameLength: 0))
        // A model that answers with every second sample, one frame late.
        var before: Float = 0
        let late = { (block: [Float], _: Int) -> [Float] in
            defer { before = block[2] }
            return [before, block[0]]
        }
        var frames = blocks.push([[1, 2, 3, 4, 5]], size: 1, run: late)
        frames += blocks.flush(size: 1, run: late)
        XCTAssertEqual(frames.count, 1 + 5 / 2)
    }

    func testBlocksAfterTheEndSayHowFarTheyReachBehindIt() throws {
        // Three blocks of late frames about six samples: the second one is partial, the third one is behind the end.
        var blocks = try Blocks(manifest(skip: 3, hop: 1, frameLength: 1))
        var told: [Int] = []
        let run = { (block: [Float], beyond: Int) -> [Float] in
            told.append(beyond)
            return block
        }
        var frames = blocks.push([[1, 2, 3, 4, 5, 6]], size: 1, run: run)
        frames += blocks.flush(size: 1, run: run)
        XCTAssertEqual(told, [0, 2, 6])
        XCTAssertEqual(frames, [4, 5, 6, 0, 0, 0])
    }

    func testFullScaleIsOnePascalRootMeanSquare() throws {
        XCTAssertEqual(try manifest(skip: 0, hop: 1, frameLength: 1).gain(), 1.4142, accuracy: 1e-3)
    }
}
