/** A signal block by block, as in amt_export/runtime/stream.py. */

import { type NdArray, cutAlong, firstNonfinite, joinAlong, zeros } from "./arrays.js";
import type { Session } from "./engine.js";
import { InputError, StreamError } from "./errors.js";
import { type Manifest, type Port, type StreamInfo, sized, timeAxis } from "./manifest.js";
import { type Audio, type Outputs, audioPort, checkChoice, firstBadSample, firstRow, signalOf, single } from "./signals.js";
import { Framing } from "./windows.js";

/**
 * What to do about NaN and infinity. "error": an InputError for audio that is not finite, the stream is as it was; a
 * StreamError where finite audio was too large, and the stream refuses more audio until `reset`. "reset": take such
 * audio; if a state becomes NaN or infinite, which a recursive filter would keep forever, continue from silence with
 * the next block and count it in `resets`. "pass": let everything through.
 */
export type OnNonfinite = "error" | "reset" | "pass";

/** States with which a stream of centred frames learns where its signal begins and ends. */
const ELAPSED = "state_elapsed";
const BEYOND_END = "state_beyond_end";

type Frames = Record<string, NdArray>;

/** Samples that are mirrored at either end of a signal; 0 where silence surrounds it. */
export function mirroredSamples({ padding, look_ahead }: Manifest, info: StreamInfo): number {
  const names = info.states.map((state) => state.input);
  return padding === "reflect" && names.includes(ELAPSED) && names.includes(BEYOND_END) ? look_ahead : 0;
}

/**
 * One signal on its way through a model; made by `Model.stream`.
 *
 * Calls are carried out one after the other, in the order in which they were made, whether or not they are awaited.
 */
export class Stream {
  /** How often the stream restarted from silence; see `OnNonfinite`. */
  resets = 0;
  /** Seconds spent in the model. */
  busy = 0;

  private readonly info: StreamInfo;
  private readonly audio: Port;
  private readonly ears: number;
  private readonly framing: Framing;
  /** Samples that are mirrored at either end, and those of whole hops; 0 where nothing is. */
  private readonly mirror: number;
  private readonly lead: number;
  private states: Record<string, NdArray> = {};
  private pending: NdArray;
  /** Samples in `pending`, waiting for their block to be full. */
  private filled = 0;
  private pushed = 0;
  /** Frames given so far; those before 0 are dropped. */
  private known = 0;
  /** Samples that wait until there are enough to be mirrored, and the last ones, for the mirror image of the end. */
  private head: Float32Array[] = [];
  private recent: Float32Array[] = [];
  private constants: Frames | null = null;
  private broken: string | null = null;
  private last: Promise<unknown> = Promise.resolve();

  /** Use `Model.stream`. */
  constructor(
    readonly manifest: Manifest,
    info: StreamInfo,
    private readonly session: Session,
    private readonly onNonfinite: OnNonfinite,
  ) {
    checkChoice("onNonfinite", onNonfinite, ["error", "reset", "pass"]);
    this.info = info;
    this.audio = info.inputs[0];
    this.ears = audioPort(manifest).ears;
    this.framing = new Framing(manifest);
    this.mirror = mirroredSamples(manifest, info);
    this.lead = Math.ceil(this.mirror / manifest.hop) * manifest.hop;
    this.pending = zeros(sized(this.audio.shape));
    this.start();
  }

  /** Samples that the artifact takes at once; `push` of as many has the least to do. */
  get block(): number {
    return this.info.block;
  }

  /** Samples behind the place of a frame that must be pushed before it comes. */
  get latency(): number {
    return this.info.latency;
  }

  /** Samples pushed so far. */
  get samples(): number {
    return this.pushed;
  }

  /**
   * Process the next samples of the signal, any number of them, in the unit of the model's input.
   *
   * @returns what these samples have made known since the last call, which may be nothing (a size of 0 along time);
   * outputs without a time axis (a frequency grid) are in every answer
   */
  push(audio: Audio): Promise<Outputs> {
    return this.inTurn(async () => {
      const signal = signalOf(audio, this.ears, this.audio.unit);
      const bad = this.onNonfinite === "error" ? firstBadSample(signal) : -1;
      if (bad >= 0) {
        throw new InputError(
          `audio: sample ${this.pushed + bad} of the stream is NaN or infinite; mend it, or use ` +
            'onNonfinite: "reset" or "pass"',
        );
      }
      return this.joined(await this.feed(this.mirroredStart(signal)));
    });
  }

  /**
   * End the signal: return what is still missing, then start afresh.
   *
   * All answers together have as many samples or frames as one run over the whole signal.
   */
  flush(): Promise<Outputs> {
    return this.inTurn(async () => {
      const due = this.pushed ? Math.max(0, this.framing.frames(this.pushed)) : 0;
      const pieces = await this.feed(this.head); // of a signal too short to be mirrored
      const tails = this.recent.map((ear) => ear.slice(0, -1).reverse().subarray(0, this.mirror));
      let [used, beyond] = [0, -this.filled];
      while (this.known < due) {
        const room = this.block - this.filled;
        this.rooms().forEach((place, ear) => {
          place.fill(0, this.filled);
          if (this.mirror) place.set(tails[ear].subarray(used, used + room), this.filled);
        });
        used += room;
        this.filled = 0;
        beyond += this.block;
        if (BEYOND_END in this.states) this.states[BEYOND_END].data.fill(Math.max(0, beyond));
        pieces.push(await this.run());
      }
      const answer = await this.joined(pieces, Math.max(0, this.known - due));
      this.start();
      return answer;
    });
  }

  /** Forget the signal and start afresh, as if nothing had been pushed. */
  reset(): Promise<void> {
    return this.inTurn(async () => this.start(), true);
  }

  private start(): void {
    this.states = {};
    for (const { input, shape, initial } of this.info.states) this.states[input] = zeros(sized(shape), initial);
    this.filled = this.pushed = 0;
    this.head = this.recent = Array.from({ length: this.ears }, () => new Float32Array(0));
    this.known = -this.info.skip;
    this.broken = null;
  }

  /** Wait for the calls before this one; afterwards nobody knows what the states of one that failed belong to. */
  private inTurn<T>(work: () => Promise<T>, mend = false): Promise<T> {
    const answer = this.last.then(async () => {
      if (this.broken && !mend) throw new StreamError(this.broken);
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof InputError)) this.broken ??= `${this.manifest.name}: this stream was interrupted; reset() it`;
        throw error;
      }
    });
    this.last = answer.catch(() => {});
    return answer;
  }

  /** Count samples, and put the mirror image before the first ones: when there are enough of them. */
  private mirroredStart(signal: readonly Float32Array[]): readonly Float32Array[] {
    const [reach, waiting] = [this.mirror, this.pushed <= this.mirror];
    this.pushed += signal[0].length;
    if (!reach) return signal;
    this.recent = this.recent.map((ear, i) => joined(ear, signal[i]).slice(-1 - reach));
    if (!waiting) return signal;
    const head = this.head.map((ear, i) => joined(ear, signal[i]));
    const none = head.map(() => new Float32Array(0));
    if (this.pushed <= reach) {
      this.head = head;
      return none;
    }
    this.head = none;
    this.states[ELAPSED].data.fill(-this.lead);
    this.known -= this.lead / this.manifest.hop;
    return head.map((ear) => {
      const whole = new Float32Array(this.lead + ear.length);
      // x[reach], ..., x[1]: the first sample is not repeated.
      for (let i = 1; i <= reach; i++) whole[this.lead - i] = ear[i];
      whole.set(ear, this.lead);
      return whole;
    });
  }

  /** The places of the ears in the block that is waiting to be full. */
  private rooms(): Float32Array[] {
    const { block } = this.info;
    return Array.from({ length: this.ears }, (_, ear) => this.pending.data.subarray(ear * block, (ear + 1) * block));
  }

  /** Run all blocks that are full by now; the rest waits. */
  private async feed(signal: readonly Float32Array[]): Promise<Frames[]> {
    const pieces: Frames[] = [];
    for (let start = 0; start < signal[0].length; ) {
      const stop = Math.min(signal[0].length, start + this.block - this.filled);
      this.rooms().forEach((room, ear) => room.set(signal[ear].subarray(start, stop), this.filled));
      this.filled += stop - start;
      start = stop;
      if (this.filled === this.block) {
        this.filled = 0;
        pieces.push(await this.run());
      }
    }
    return pieces;
  }

  /** Run one block, take over its states, and return its outputs without what is to be dropped. */
  private async run(): Promise<Frames> {
    const started = performance.now();
    const answer = await this.session.run({ [this.audio.name]: this.pending, ...this.states });
    this.busy += (performance.now() - started) / 1000;
    for (const { input, output } of this.info.states) this.states[input] = answer[output];
    const frames = this.block / this.manifest.hop;
    const dropped = Math.min(frames, Math.max(0, -this.known));
    this.known += frames;
    const outputs: Frames = {};
    for (const port of this.info.outputs) {
      const value = firstRow(answer[port.name], port);
      const axis = timeAxis(port);
      outputs[port.name] = axis < 0 ? value : cutAlong(value, dropped, frames, axis);
    }
    this.constants ??= outputs;
    this.checkFinite(outputs);
    return outputs;
  }

  private checkFinite(outputs: Frames): void {
    if (this.onNonfinite === "pass") return;
    let bad = Object.values(this.states).some(({ data }) => firstNonfinite(data) >= 0) ? "a state" : null;
    if (!bad && this.onNonfinite === "error") {
      bad = Object.keys(outputs).find((name) => firstNonfinite(outputs[name].data) >= 0) ?? null;
    }
    if (!bad) return;
    const done = (this.known + this.info.skip) * this.manifest.hop;
    if (this.onNonfinite === "error") {
      this.broken =
        `${this.manifest.name}: ${bad} is not finite after the block up to sample ${done} of the stream, whose audio ` +
        'was too large; reset() it, or use onNonfinite: "reset"';
      throw new StreamError(this.broken);
    }
    this.resets += 1;
    for (const { input, shape, initial } of this.info.states) this.states[input] = zeros(sized(shape), initial);
  }

  /** Join outputs along time, less the last `surplus` frames. */
  private async joined(pieces: Frames[], surplus = 0): Promise<Outputs> {
    const answer: Outputs = {};
    for (const port of this.info.outputs) {
      const axis = timeAxis(port);
      let value: NdArray;
      if (axis < 0) {
        value = (await this.constantsOnce())[port.name];
      } else {
        const dims = sized(port.shape);
        const whole = joinAlong(pieces.map((piece) => piece[port.name]), axis, port.axes[0] === "batch" ? dims.with(0, 1) : dims);
        value = cutAlong(whole, 0, whole.dims[axis] - surplus, axis);
      }
      answer[port.name] = single(value, port);
    }
    return answer;
  }

  /** The outputs that do not depend on the audio: of the first run, or of one on whatever is waiting. */
  private async constantsOnce(): Promise<Frames> {
    this.constants ??= await this.session.run({ [this.audio.name]: this.pending, ...this.states });
    return this.constants;
  }
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
