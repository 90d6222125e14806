// What `manifest.json` says, as far as a stream needs it.

import Foundation

public struct Manifest: Decodable {
    public struct Port: Decodable {
        public let name: String
        /// A free batch has the size nil; here it is one signal.
        public let shape: [Int?]
        public let axes: [String]
        public let unit: String

        public var sizes: [Int] { shape.map { $0 ?? 1 } }
    }

    public struct State: Decodable {
        public let input, output: String
        public let shape: [Int?]
        public let initial: Float

        public var sizes: [Int] { shape.map { $0 ?? 1 } }
    }

    public struct Streaming: Decodable {
        public let block, skip, latency: Int
        public let inputs, outputs: [Port]
        public let states: [State]
    }

    public let name: String
    public let samplingRate: Double
    public let padding: String
    public let hop: Int
    public let frameLength: Int
    public let stream: Streaming

    public static func read(_ data: Data) throws -> Manifest {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Manifest.self, from: data)
    }

    /// The factor from samples relative to full scale to pascals, where a sine at full scale is so many dB SPL.
    public func gain(fullScale: Double = 93.98) throws -> Float {
        let unit = stream.inputs[0].unit
        guard unit == "Pa" else {
            throw StreamError(message: "\(name) takes \(unit), and a recording is sound pressure: take a model that takes Pa")
        }
        return Float(2.0.squareRoot() * 2e-5 * pow(10.0, fullScale / 20.0))
    }
}

public struct StreamError: Error, CustomStringConvertible {
    public let message: String
    public var description: String { message }
}
