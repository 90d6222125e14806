// A stream of examples/swift whose engine is another process: arrays go out on standard output in the order of the
// manifest (audio, states), and come back on standard input (outputs, next states), all as float32.
//
//     swift_engine MANIFEST.json IN.f32 OUT.f32
//
// IN.f32 holds one ear after the other, in the model's unit; OUT.f32 gets the frames of the first output.

import Foundation

struct Pipe: Engine {
    let streaming: Manifest.Streaming

    func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
        for name in [streaming.inputs[0].name] + streaming.states.map(\.input) {
            FileHandle.standardOutput.write(inputs[name]!.values.withUnsafeBytes { Data($0) })
        }
        var outputs: [String: Tensor] = [:]
        let arrays = streaming.outputs.map { ($0.name, $0.sizes) } + streaming.states.map { ($0.output, $0.sizes) }
        for (name, sizes) in arrays {
            let data = FileHandle.standardInput.readData(ofLength: 4 * sizes.reduce(1, *))
            outputs[name] = Tensor(numbers(data), shape: sizes)
        }
        return outputs
    }
}

func numbers(_ data: Data) -> [Float] {
    data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
}

@main
struct Program {
    static func main() throws {
        let paths = CommandLine.arguments.dropFirst().map { URL(fileURLWithPath: $0) }
        let manifest = try Manifest.read(Data(contentsOf: paths[0]))
        let all = numbers(try Data(contentsOf: paths[1]))
        let stream = try ModelStream(manifest: manifest, engine: Pipe(streaming: manifest.stream))
        let ears = manifest.stream.inputs[0].sizes.count == 3 ? 2 : 1
        let length = all.count / ears
        // Pieces of a length that has nothing to do with the model's block.
        var frames: [Float] = []
        for start in stride(from: 0, to: length, by: 777) {
            let stop = min(length, start + 777)
            frames += try stream.push((0..<ears).map { Array(all[($0 * length + start)..<($0 * length + stop)]) })
        }
        frames += try stream.flush()
        try frames.withUnsafeBytes { Data($0) }.write(to: paths[2])
    }
}
