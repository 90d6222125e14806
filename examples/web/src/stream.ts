/** One signal on its way through a streaming model: blocks in, blocks out, the states between. */

import type { InferenceSession, Tensor, TypedTensor } from "onnxruntime-common";
import type { Manifest } from "./manifest";

type Float32Tensor = TypedTensor<"float32">;
type TensorClass = new (type: "float32", data: Float32Array, dims: readonly number[]) => Float32Tensor;

export class Stream {
  /** Seconds spent in the model since the last reset. */
  busy = 0;
  /** Samples that went through it since. */
  samples = 0;
  /** How often a state became non-finite (a NaN in the audio), and the stream went on from silence. */
  mended = 0;

  private states: Record<string, Tensor> = {};
  private readonly pending: Float32Array;
  private filled = 0;

  constructor(
    readonly manifest: Manifest,
    private readonly session: InferenceSession,
    private readonly tensor: TensorClass,
  ) {
    this.pending = new Float32Array(manifest.stream.block);
    this.reset();
  }

  /** Forget the signal, as if nothing had been pushed. */
  reset(): void {
    this.rest();
    this.filled = this.busy = this.samples = this.mended = 0;
  }

  /**
   * Go on with the signal by any number of samples.
   *
   * `take` is called with the output of each full block: channels x block, one channel after the other.
   */
  async push(audio: Float32Array, take: (output: Float32Array) => void): Promise<void> {
    for (let start = 0; start < audio.length; ) {
      const stop = Math.min(audio.length, start + this.pending.length - this.filled);
      this.pending.set(audio.subarray(start, stop), this.filled);
      this.filled += stop - start;
      start = stop;
      if (this.filled === this.pending.length) {
        this.filled = 0;
        take(await this.run());
      }
    }
  }

  private async run(): Promise<Float32Array> {
    const { inputs, outputs, states, block } = this.manifest.stream;
    const [audio] = inputs;
    const started = performance.now();
    const feeds = { [audio.name]: new this.tensor("float32", this.pending, audio.shape), ...this.states };
    const answer = await this.session.run(feeds);
    this.busy += (performance.now() - started) / 1000;
    this.samples += block;
    let finite = true;
    for (const state of states) {
      const next = answer[state.output];
      this.states[state.input] = next;
      finite &&= (next.data as Float32Array).every(Number.isFinite);
    }
    // A NaN stays in the state of a recursive filter: restart from silence, and count it.
    if (!finite) {
      this.rest();
      this.mended += 1;
    }
    return answer[outputs[0].name].data as Float32Array;
  }

  private rest(): void {
    for (const { input, shape, initial } of this.manifest.stream.states) {
      const size = shape.reduce((product, n) => product * n, 1);
      this.states[input] = new this.tensor("float32", new Float32Array(size).fill(initial), shape);
    }
  }
}
