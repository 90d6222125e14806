/** A model that an app calls: any number of samples at once, or a stream of blocks. */

import { type NdArray } from "./arrays.js";
import { type Calibration, type CalibrationOptions, calibration } from "./calibration.js";
import { type Engine, Session } from "./engine.js";
import { ArtifactError, InputError } from "./errors.js";
import { endMatters, joinStream, joinWindows, mendEnd, needsStream, reduceCourses } from "./joining.js";
import { type Manifest, type Port, onnxFile, sized } from "./manifest.js";
import { type Keys, checkOptions } from "./options.js";
import { type Audio, type Outputs, audioPort, checkChoice, checkOutputs, firstBadSample, signalOf, single } from "./signals.js";
import { type OnNonfinite, Stream, mirroredSamples } from "./stream.js";
import { type Verdict, type Vectors, verify } from "./verify.js";

type Form = "whole" | "stream";

export interface ModelOptions {
  /**
   * Which file `process` runs: the whole form where it was published, as in Python (default), or the streaming form,
   * which then is the only file that an app needs. The numbers are the same.
   */
  form?: Form | undefined;
  /** Options of ONNX Runtime for each session, e.g. `{ executionProviders: [...] }`. */
  session?: object | undefined;
}

interface ProcessOptions {
  onNonfinite?: "error" | "pass" | undefined;
}

interface StreamOptions {
  onNonfinite?: OnNonfinite | undefined;
}

const PROCESS_OPTIONS: Keys<ProcessOptions> = { onNonfinite: true };
const STREAM_OPTIONS: Keys<StreamOptions> = { onNonfinite: true };

/** Made by `load`. It keeps nothing between calls. */
export class Model {
  private readonly sessions = new Map<Form, Promise<Session>>();

  /** Use `load`. */
  constructor(
    readonly manifest: Manifest,
    private readonly engine: Engine,
    private readonly read: (form: Form) => Promise<Uint8Array>,
    private readonly options: ModelOptions = {},
  ) {
    if (options.form !== undefined) checkChoice("form", options.form, ["whole", "stream"]);
  }

  get name(): string {
    return this.manifest.name;
  }

  /** Hz; audio must have this rate. Throws for models that know no time. */
  get samplingRate(): number {
    const { sampling_rate: fs, name } = this.manifest;
    if (fs === null) throw new InputError(`${name} takes no audio, so it has no sampling rate`);
    return fs;
  }

  /** Hz, one per channel. */
  get centreFrequencies(): readonly number[] {
    return this.manifest.centre_frequencies;
  }

  get inputs(): readonly Port[] {
    return this.manifest.inputs;
  }

  get outputs(): readonly Port[] {
    return this.manifest.outputs;
  }

  /** 2 for models of binaural hearing, else 1. */
  get ears(): number {
    return audioPort(this.manifest).ears;
  }

  /** The factor from samples relative to full scale to the unit of the model's input. */
  calibration(options: CalibrationOptions = {}): Calibration {
    return calibration(this.manifest, options);
  }

  /**
   * Run the model on a signal of any length.
   *
   * @param audio samples at `samplingRate`, in the unit of the model's input; [left, right] for two ears
   * @param options.onNonfinite what to do with NaN or infinity in the audio, or in an output of finite audio
   * @returns outputs by name, as long as the signal: those of one run over the whole signal
   * @throws InputError where the audio has another shape, is not finite, or is too short for one frame, or an option is
   * unknown
   */
  async process(audio: Audio, options: ProcessOptions = {}): Promise<Outputs> {
    checkOptions("process", options, PROCESS_OPTIONS);
    const { onNonfinite = "error" } = options;
    checkChoice("onNonfinite", onNonfinite, ["error", "pass"]);
    const { manifest } = this;
    const { port, ears } = audioPort(manifest);
    const signal = signalOf(audio, ears, port.unit);
    const bad = onNonfinite === "error" ? firstBadSample(signal) : -1;
    if (bad >= 0) {
      throw new InputError(`audio: sample ${bad} is NaN or infinite; mend it, or pass onNonfinite: "pass" to let it through`);
    }
    const samples = signal[0].length;
    const streaming = this.form() === "stream" || (manifest.stream !== null && needsStream(manifest, samples));
    let outputs: Record<string, NdArray>;
    if (streaming) {
      outputs = await joinStream(manifest, signal, await this.stream({ onNonfinite: "pass" }));
    } else {
      outputs = await joinWindows(await this.session("whole"), manifest, signal);
      if (endMatters(manifest) && samples !== sized(port.shape).at(-1)) await this.mendEnd(outputs, signal);
    }
    outputs = reduceCourses(outputs, manifest);
    if (onNonfinite === "error") checkOutputs(outputs);
    const answer: Outputs = {};
    for (const output of manifest.outputs) answer[output.name] = single(outputs[output.name], output);
    return answer;
  }

  /**
   * Start a stream: push audio as it comes, get outputs as they are known.
   *
   * Streams of one model have states of their own, and share the opened file.
   *
   * @throws InputError for an unknown option
   */
  async stream(options: StreamOptions = {}): Promise<Stream> {
    checkOptions("stream", options, STREAM_OPTIONS);
    const { onNonfinite = "error" } = options;
    const { manifest } = this;
    if (!manifest.stream) {
      throw new ArtifactError(`${manifest.name}: has no streaming form; give the model file a [stream] block and build it again`);
    }
    return new Stream(manifest, manifest.stream, await this.session("stream"), onNonfinite);
  }

  /**
   * Compare the model with its test vectors: `vectors.npz` of the published folder, or excerpts of it.
   *
   * @returns the worst difference of every output, what is allowed, and whether all is well
   */
  verify(vectors: Vectors): Promise<Verdict> {
    return verify(this, vectors);
  }

  /** Let go of the opened files. */
  async close(): Promise<void> {
    const opened = [...this.sessions.values()];
    this.sessions.clear();
    await Promise.all(opened.map((session) => session.then((one) => one.close())));
  }

  /** Whether `process` runs the whole form, if its windows do not overlap entirely. */
  get runsWhole(): boolean {
    return this.form() === "whole";
  }

  private form(): Form {
    const published = this.manifest.files.some(({ format, form }) => format === "onnx" && form === "whole");
    return this.options.form ?? (published ? "whole" : "stream");
  }

  private async mendEnd(outputs: Record<string, NdArray>, signal: readonly Float32Array[]): Promise<void> {
    const { manifest } = this;
    if (manifest.stream && mirroredSamples(manifest, manifest.stream)) {
      await mendEnd(outputs, manifest, signal, await this.stream({ onNonfinite: "pass" }));
      return;
    }
    console.warn(
      `${manifest.name}: the last frames are only near those of the whole signal, as only a streaming form knows where ` +
        "the signal ends; build the model with a [stream] block",
    );
  }

  private session(form: Form): Promise<Session> {
    let session = this.sessions.get(form);
    if (!session) {
      session = this.open(form);
      this.sessions.set(form, session);
      // What failed may be tried again.
      session.catch(() => this.sessions.delete(form));
    }
    return session;
  }

  private async open(form: Form): Promise<Session> {
    const { manifest, options, engine } = this;
    onnxFile(manifest, form); // says so where there is none
    const bytes = await this.read(form);
    const { stream } = manifest;
    const ports =
      form === "whole" || !stream
        ? { inputs: manifest.inputs, outputs: manifest.outputs }
        : { inputs: [...stream.inputs, ...stream.states], outputs: [...stream.outputs, ...stream.states] };
    // A block is too little work to share out among threads.
    const own = form === "stream" ? { intraOpNumThreads: 1, ...options.session } : { ...options.session };
    return Session.open(engine, bytes, own, manifest, ports);
  }
}

