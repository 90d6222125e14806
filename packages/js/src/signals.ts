/** Audio as models take it: one Float32Array for one ear, two for two. */

import { type NdArray, cutAlong, firstNonfinite } from "./arrays.js";
import { InputError } from "./errors.js";
import { type Manifest, type Port, timeAxis } from "./manifest.js";

/** Mono samples, or left and right; in the unit of the model's input. */
export type Audio = Float32Array | readonly Float32Array[];

/** One output of one signal. */
export interface Output {
  /** Row by row: the last axis varies fastest. */
  data: Float32Array;
  dims: number[];
  /** Meaning of each dimension, e.g. channel, time. */
  axes: string[];
  unit: string;
}

export type Outputs = Record<string, Output>;

/** The one audio input of a model, and how many ears it has. */
export function audioPort({ name, inputs }: Manifest): { port: Port; ears: number } {
  const [port] = inputs;
  const axes = port?.axes.join();
  if (inputs.length !== 1 || (axes !== "batch,time" && axes !== "batch,ear,time")) {
    throw new InputError(`${name} takes ${inputs.map((input) => input.name).join(", ")}, not one audio signal`);
  }
  return { port, ears: axes === "batch,time" ? 1 : (port.shape[1] ?? 1) };
}

/** The signals of all ears, of one length. */
export function signalOf(audio: Audio, ears: number, unit: string): readonly Float32Array[] {
  const signal = audio instanceof Float32Array ? [audio] : audio;
  if (!Array.isArray(signal) || !signal.every((ear) => ear instanceof Float32Array)) {
    throw new InputError(`audio: needs a Float32Array in ${unit}, or one for each ear; got ${remedyFor(audio)}`);
  }
  if (signal.length !== ears) {
    const hint = ears === 2 ? "; give [left, right], which may be the same array twice" : "; average the channels first";
    throw new InputError(`audio: this model has ${ears} ${ears === 1 ? "ear" : "ears"}, got ${signal.length} signals${hint}`);
  }
  if (signal.some((ear) => ear.length !== signal[0].length)) {
    throw new InputError("audio: left and right have different lengths");
  }
  return signal;
}

/** What was given instead of audio, and how it becomes audio. */
function remedyFor(audio: unknown): string {
  const part: unknown = Array.isArray(audio) ? audio.find((ear) => !(ear instanceof Float32Array)) : audio;
  const plain = typeof part === "number" || Array.isArray(part);
  const name = plain ? "a plain array" : (part?.constructor?.name ?? String(part));
  if (part instanceof Int16Array) {
    return `${name}: convert it with Float32Array.from(samples, (x) => x / 32768), and multiply it by the gain of model.calibration()`;
  }
  const listed = plain || (ArrayBuffer.isView(part) && !(part instanceof DataView));
  return listed ? `${name}: convert it with Float32Array.from(samples)` : name;
}

/** Refuse a word that is none of the choices. */
export function checkChoice(what: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) {
    throw new InputError(`${what} is ${JSON.stringify(value)}; give ${choices.map((choice) => `"${choice}"`).join(" or ")}`);
  }
}

/** The first sample that is NaN or infinite at any ear; -1 where none is. */
export function firstBadSample(signal: readonly Float32Array[]): number {
  const found = signal.map(firstNonfinite).filter((index) => index >= 0);
  return found.length ? Math.min(...found) : -1;
}

/** The first signal of a batch. */
export function firstRow(value: NdArray, port: Port): NdArray {
  const first = port.axes[0] === "batch" ? cutAlong(value, 0, 1, 0) : value;
  return first;
}

/** An output without its batch axis. */
export function single({ data, dims }: NdArray, port: Port): Output {
  const batch = port.axes[0] === "batch" ? 1 : 0;
  return { data, dims: dims.slice(batch), axes: port.axes.slice(batch), unit: port.unit };
}

/** Throw where an output of finite audio is not finite. */
export function checkOutputs(outputs: Record<string, NdArray>): void {
  for (const [name, { data }] of Object.entries(outputs)) {
    if (firstNonfinite(data) >= 0) {
      throw new InputError(
        `${name}: is not finite, though the audio is: it is too large for this model; scale it, or pass ` +
          'onNonfinite: "pass" to let it through',
      );
    }
  }
}

export function isTimed(port: Port): boolean {
  return timeAxis(port) >= 0;
}
