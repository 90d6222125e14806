/** A model against its test vectors, on the machine and in the engine that will run it. */

import { type NdArray, cutAlong, joinAlong, product } from "./arrays.js";
import { ArtifactError } from "./errors.js";
import { type Manifest, type Port, streamOutputs, sized, timeAxis } from "./manifest.js";
import type { Model } from "./model.js";
import { type Outputs, audioPort } from "./signals.js";
import { Framing } from "./windows.js";

/** `in.<signal>.<input>` and `out.<signal>.<output>`, with the batch axis: what `readNpz` makes of vectors.npz. */
export type Vectors = Record<string, NdArray>;

export interface Finding {
  form: "whole" | "stream";
  output: string;
  /** Relative to the channel's peak, or in dB; infinite where shapes differ or a number is not finite. */
  difference: number;
  allowed: number;
  kind: "relative" | "db" | "frequency";
  /** On which signal the difference is largest. */
  signal: string;
}

export interface Verdict {
  ok: boolean;
  findings: Finding[];
  /** Names of the signals. */
  signals: string[];
}

/** A channel quieter than this share of the loudest is measured against that, unless the output says otherwise. */
const QUIET = 0.01;

/** Level cells further below their frame's maximum than this do not count, in dB. */
const RANGE_DB = 80;

/** Levels of a filterbank this far below the signal's loudest cell are noise in float32, in dB. */
const SIGNAL_RANGE_DB = 60;

/** Compare both forms, as far as they were published and the vectors allow; used by `Model.verify`. */
export async function verify(model: Model, vectors: Vectors): Promise<Verdict> {
  const { manifest } = model;
  const { port, ears } = audioPort(manifest);
  const length = sized(port.shape).at(-1)!;
  const findings = new Map<string, Finding>();
  const signals: string[] = [];
  for (const [key, audio] of Object.entries(vectors)) {
    const [kind, signal, name] = key.split(".");
    if (kind !== "in" || name !== port.name) continue;
    signals.push(signal);
    const samples = audio.dims.at(-1)!;
    const channels = Array.from({ length: ears }, (_, ear) => audio.data.subarray(ear * samples, (ear + 1) * samples));
    const expected = (output: Port): NdArray | undefined => vectors[`out.${signal}.${output.name}`];
    const note = (form: "whole" | "stream", found: Outputs): void => {
      for (const output of streamOutputs(manifest.outputs)) {
        const right = expected(output);
        if (!right) throw new ArtifactError(`the test vectors hold no ${output.name} of ${signal}; build the model again`);
        const peak = vectors[`peak.${signal}.${output.name}`]?.data[0] ?? peakOf(right, output);
        const difference = compared(found[output.name], right, output, peak, vectors[`left_out.${signal}`]);
        const before = findings.get(`${form} ${output.name}`);
        // Not `difference > before`: a NaN must not pass.
        if (before && difference <= before.difference) continue;
        findings.set(`${form} ${output.name}`, {
          ...{ form, output: output.name, difference, signal, kind: output.kind ?? "relative" },
          allowed: allowed(manifest, form, output.name),
        });
      }
    };
    if (samples === length && model.runsWhole) note("whole", await model.process(channels, { onNonfinite: "pass" }));
    if (manifest.stream) note("stream", await streamed(model, channels, expected));
  }
  if (!signals.length) throw new ArtifactError(`${manifest.name}: these are not its test vectors`);
  const all = [...findings.values()];
  return { ok: all.every(({ difference, allowed: most }) => difference <= most), findings: all, signals };
}

/** What a stream says about a signal; flushed only where the expected outputs reach to its end. */
async function streamed(model: Model, audio: Float32Array[], expected: (output: Port) => NdArray | undefined): Promise<Outputs> {
  const stream = await model.stream({ onNonfinite: "pass" });
  const outputs = await stream.push(audio);
  const port = streamOutputs(model.manifest.outputs).find((output) => timeAxis(output) >= 0)!;
  const [frames, axis] = [new Framing(model.manifest).frames(audio[0].length), timeAxis(port)];
  if (expected(port)?.dims[axis] !== frames) return outputs;
  const rest = await stream.flush();
  for (const output of streamOutputs(model.manifest.outputs)) {
    const along = timeAxis(output) - 1;
    if (along < 0) continue;
    const first = outputs[output.name];
    const { data, dims } = joinAlong([first, rest[output.name]], along, first.dims);
    outputs[output.name] = { ...first, data, dims: [...dims] };
  }
  return outputs;
}

/**
 * What float32 here may differ from the float64 vectors: the tolerance of the file against eager float32, and that of
 * float32 against float64, as `amt-export check` allows.
 */
export function allowed({ parity }: Manifest, form: "whole" | "stream", output: string): number {
  const of = (format: string, which: string): number =>
    parity.find((row) => row.format === format && row.form === which && row.output === output)?.tolerance ?? 0;
  return of("onnx", form) + (of("float64", "whole") || of("reference", "whole"));
}

/** Compare as many frames as both have: an excerpt is cut where not all of them are known. */
function compared(found: NdArray, expected: NdArray, port: Port, peak: number, leftOut?: NdArray): number {
  const batch = port.axes[0] === "batch" ? 1 : 0;
  const axis = timeAxis(port);
  let [one, other] = [{ data: found.data, dims: [...Array<number>(batch).fill(1), ...found.dims] } as NdArray, expected];
  if (axis >= 0) {
    const frames = Math.min(one.dims[axis], other.dims[axis]);
    if (frames === 0) return Infinity;
    [one, other] = [cutAlong(one, 0, frames, axis), cutAlong(other, 0, frames, axis)];
  }
  if (one.dims.join() !== other.dims.join()) return Infinity;
  return difference(one, other, port, peak, leftOut);
}

/** The largest level, or the largest magnitude, of an output. */
export function peakOf({ data }: NdArray, { kind }: Port): number {
  const levels = kind === "db";
  return data.reduce((most, value) => Math.max(most, levels ? value : Math.abs(value)), levels ? -Infinity : 0);
}

/** The largest difference of an output, as in amt_export/verify/parity/metric.py; `loudest` is its peak. */
function difference(found: NdArray, expected: NdArray, port: Port, loudest: number, leftOut?: NdArray): number {
  const levels = port.kind === "db";
  const timed = timeAxis(port);
  const channel = port.axes.findLastIndex((axis) => !["batch", "ear", "time", "frame"].includes(axis));
  // Levels are compared with the loudest channel of their frame, other numbers with the peak of their channel.
  const axis = levels ? channel : timed;
  const { dims, data: right } = expected;
  const inner = axis < 0 ? 1 : product(dims.slice(axis + 1));
  const count = axis < 0 ? 1 : dims[axis];
  const perFrame = timed < 0 ? 1 : product(dims.slice(timed + 1));
  const skipped = (i: number): boolean => leftOut?.data[Math.floor(i / perFrame) % dims[timed]] === 1;
  const size = (value: number): number => (levels ? value : Math.abs(value));
  let worst = 0;
  for (let start = 0; start < right.length; start += inner * count) {
    for (let offset = start; offset < start + inner; offset++) {
      let [peak, error] = [levels ? -Infinity : 0, 0];
      for (let k = 0; k < count; k++) peak = Math.max(peak, size(right[offset + k * inner]));
      const least = levels ? leastLevel(port, peak, loudest) : -Infinity;
      for (let k = 0; k < count; k++) {
        const i = offset + k * inner;
        if (found.data[i] === right[i] || skipped(i)) continue;
        const gap = Math.abs(found.data[i] - right[i]);
        if (!(gap < Infinity)) return Infinity;
        if (!levels || right[i] > least) error = Math.max(error, gap);
      }
      if (error > 0 && port.kind === "frequency") return Infinity;
      const scale = levels ? 1 : Math.max(peak, (port.quiet ?? QUIET) * loudest);
      if (error > 0) worst = Math.max(worst, error / scale);
    }
  }
  return worst;
}

/** The level above which cells of a frame count, in dB. */
function leastLevel(port: Port, peak: number, loudest: number): number {
  const ofSignal = port.name === "levels" ? loudest - SIGNAL_RANGE_DB : -Infinity;
  return Math.max(peak - RANGE_DB, ofSignal, port.floor ?? -Infinity);
}
