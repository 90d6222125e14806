/** A model that is computed on this device. */

import { type JsonVectors, type Model, type Outputs, type Stream, type Verdict, load, vectorsFromJson } from "amt-export";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { columnsOf, sumOfEars } from "./columns";
import type { Drawn, Engine } from "./engine";
import type { Loudness } from "./messages";

/** Seconds of audio that go through the model between two messages to the page. */
const STEP = 0.05;

export class Local implements Engine {
  readonly samplingRate: number;
  readonly least = 1;
  readonly most: number;
  private stream: Stream | null = null;

  private constructor(
    readonly model: Model,
    readonly verdict: Verdict,
    private readonly columns: ReturnType<typeof columnsOf>,
  ) {
    this.samplingRate = model.samplingRate;
    this.most = STEP * model.samplingRate;
  }

  /** Open a model, and compare it with its test vectors. */
  static async open(folder: string): Promise<Local> {
    // The streaming form is the only file that is hosted.
    const model = await load(folder, { wasm, form: "stream" });
    const columns = columnsOf(model.manifest);
    const response = await fetch(`${folder}/check.json`);
    if (!response.ok) throw new Error(`${folder}/check.json cannot be read (${response.status}).`);
    const verdict = await model.verify(vectorsFromJson((await response.json()) as JsonVectors));
    return new Local(model, verdict, columns);
  }

  get view() {
    return this.columns.view;
  }

  get busy(): number {
    return this.stream?.busy ?? 0;
  }

  get mended(): number {
    return this.stream?.resets ?? 0;
  }

  async start(): Promise<void> {
    this.columns.reset();
    // A NaN in the audio must not end a meter that runs for hours.
    this.stream = await this.model.stream({ onNonfinite: "reset" });
  }

  async push(audio: Float32Array[]): Promise<Drawn> {
    return this.drawn(await this.stream!.push(audio));
  }

  async flush(): Promise<Drawn> {
    return this.drawn(await this.stream!.flush());
  }

  leave(): void {}

  close(): Promise<void> {
    return this.model.close();
  }

  private drawn(outputs: Outputs): Drawn {
    return { columns: this.columns.add(outputs), loudness: this.loudness(outputs) };
  }

  private loudness({ short_term: short, long_term: long }: Outputs): Loudness | null {
    if (!short || !long || long.unit !== "sone") return null;
    return { short: sumOfEars(short), long: sumOfEars(long), seconds: this.model.manifest.hop / this.samplingRate };
  }
}
