import XCTest
@testable import AmtExport

/// Two channels: the sum of all samples so far, and its negative. It refuses states that it does not know.
final class Sums: Engine {
    let knowsEnd: Bool
    var beyond: [Float] = []

    init(knowsEnd: Bool) { self.knowsEnd = knowsEnd }

    func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
        XCTAssertEqual(Set(inputs.keys), knowsEnd ? ["audio", "state_sum", "state_beyond_end"] : ["audio", "state_sum"])
        XCTAssertEqual(inputs["audio"]!.shape, [1, 4])
        var sum = inputs["state_sum"]!.values[0]
        let sums = inputs["audio"]!.values.map { sample -> Float in
            sum += sample
            return sum
        }
        var outputs = ["y": Tensor(sums + sums.map { -$0 }, shape: [1, 2, 4])]
        outputs["next_state_sum"] = Tensor([sum], shape: [1, 1])
        if let end = inputs["state_beyond_end"] {
            XCTAssertEqual(end.shape, [1, 1])
            beyond += end.values
            outputs["next_state_beyond_end"] = end
        }
        return outputs
    }
}

final class ModelStreamTests: XCTestCase {
    private func stream(_ engine: Sums, skip: Int = 0, nonfinite: Nonfinite = .error) throws -> ModelStream {
        let states = engine.knowsEnd ? ["sum", "beyond_end"] : ["sum"]
        let small = try manifest(skip: skip, hop: 1, frameLength: 1, channels: 2, states: states)
        return try ModelStream(manifest: small, engine: engine, nonfinite: nonfinite)
    }

    func testStatesGoFromBlockToBlockAndFramesAreTimeFirst() throws {
        let sums = try stream(Sums(knowsEnd: false))
        let frames = try sums.push([[1, 2]]) + sums.push([[3, 4, 5]]) + sums.flush()
        XCTAssertEqual(frames, [1, -1, 3, -3, 6, -6, 10, -10, 15, -15])
        XCTAssertEqual(try sums.push([[7]]) + sums.flush(), [7, -7])  // afresh
    }

    func testAModelLearnsWhereItsSignalEnds() throws {
        let engine = Sums(knowsEnd: true)
        let sums = try stream(engine, skip: 3)
        for _ in 0..<2 {
            engine.beyond = []
            let frames = try sums.push([[1, 2, 3, 4, 5, 6]]) + sums.flush()
            XCTAssertEqual(frames.count, 2 * 6)
            XCTAssertEqual(engine.beyond, [0, 2, 6])
        }
    }

    func testNaNIsRefusedOrForgotten() throws {
        let strict = try stream(Sums(knowsEnd: false))
        XCTAssertThrowsError(try strict.push([[.nan]]))
        XCTAssertThrowsError(try strict.push([[.greatestFiniteMagnitude, .greatestFiniteMagnitude, 0, 0]]))
        let lenient = try stream(Sums(knowsEnd: false), nonfinite: .reset)
        let frames = try lenient.push([[1, .nan, 1, 1, 5, 0, 0, 0]])
        XCTAssertEqual(lenient.resets, 1)
        XCTAssertEqual(Array(frames.suffix(8)), [5, -5, 5, -5, 5, -5, 5, -5])
    }

    func testAnAppThatImportsFoundationCanNameTheType() throws {
        let named: ModelStream = try stream(Sums(knowsEnd: false))
        XCTAssertEqual(named.frameSize, 2)
    }
}
