/** A streaming model in onnxruntime-node, driven by its manifest: blocks in, blocks out, states between. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";

/** A shape for one signal: the size of a free batch is null. */
const fixed = (shape) => shape.map((size) => size ?? 1);

export class Stream {
  /** Open the streaming ONNX file of a published folder, if it is the one that was published. */
  static async open(folder, options = {}) {
    const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
    if (!manifest.stream) throw new Error(`${manifest.name}: has no streaming form`);
    const file = manifest.files.find((f) => f.format === "onnx" && f.form === "stream");
    if (!file) throw new Error(`${manifest.name}: no streaming ONNX file was published`);
    const bytes = readFileSync(join(folder, file.path));
    if (createHash("sha256").update(bytes).digest("hex") !== file.sha256) {
      throw new Error(`${file.path}: is not the file that was published`);
    }
    return new Stream(manifest, await ort.InferenceSession.create(bytes, options));
  }

  constructor(manifest, session) {
    this.manifest = manifest;
    this.block = manifest.stream.block;
    this.session = session;
    this.reset();
  }

  /** Forget the signal. */
  reset() {
    this.states = {};
    for (const { input, shape: sizes, initial } of this.manifest.stream.states) {
      const shape = fixed(sizes);
      const size = shape.reduce((product, n) => product * n, 1);
      this.states[input] = new ort.Tensor("float32", new Float32Array(size).fill(initial), shape);
    }
  }

  /** Run one block (a Float32Array of `block` samples in the input's unit); return the outputs by name. */
  async run(audio) {
    const { inputs, outputs, states } = this.manifest.stream;
    const [port] = inputs;
    const feeds = { [port.name]: new ort.Tensor("float32", audio, fixed(port.shape)), ...this.states };
    const answer = await this.session.run(feeds);
    for (const { input, output } of states) this.states[input] = answer[output];
    return Object.fromEntries(outputs.map(({ name }) => [name, answer[name].data]));
  }
}
