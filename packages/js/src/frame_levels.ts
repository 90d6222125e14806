/** Levels per frame of subbands that a model gave as samples, as in amt_export/runtime/frame_levels.py. */

import { P0 } from "./calibration.js";
import { InputError } from "./errors.js";
import type { Output } from "./signals.js";

/** What stands for silence: dB, by the unit of the samples and by what 0 dB is. */
const SILENCE: Record<string, { reference: number; floor: number; unit: string }> = {
  Pa: { reference: P0, floor: -60, unit: "dB SPL" },
  "m/s": { reference: 1, floor: -200, unit: "dB re 1 m/s" },
};

/**
 * Takes channels x samples piece by piece and gives frames: 10 log10 of the mean square of `hop` samples, the numbers
 * that a model with `[levels]` gives.
 */
export class FrameMeter {
  /** Of the levels. */
  readonly unit: string;
  private readonly reference: number;
  private readonly least: number;
  private readonly sums: Float64Array;
  private count = 0;

  /** @throws InputError for samples in a unit that has no level */
  constructor(
    readonly channels: number,
    readonly hop: number,
    unit: string,
  ) {
    const silence = SILENCE[unit];
    if (!silence) throw new InputError(`levels of samples in ${unit} are not defined; give Pa or m/s`);
    this.unit = silence.unit;
    this.reference = silence.reference ** 2;
    this.least = this.reference * 10 ** (silence.floor / 10);
    this.sums = new Float64Array(channels);
  }

  reset(): void {
    this.sums.fill(0);
    this.count = 0;
  }

  /** Take channels x n samples; return the frames that these complete, frames x channels in dB. */
  add(samples: Float32Array): Float32Array {
    const { channels, hop, sums } = this;
    const length = samples.length / channels;
    const levels = new Float32Array(Math.floor((this.count + length) / hop) * channels);
    let written = 0;
    for (let start = 0; start < length; ) {
      const stop = Math.min(length, start + hop - this.count);
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let i = channel * length + start; i < channel * length + stop; i++) sum += samples[i] * samples[i];
        sums[channel] += sum;
      }
      this.count += stop - start;
      start = stop;
      if (this.count < hop) break;
      for (let channel = 0; channel < channels; channel++) {
        const power = sums[channel] / hop;
        // Written so that a NaN stays one.
        levels[written++] = 10 * Math.log10((power < this.least ? this.least : power) / this.reference);
      }
      this.reset();
    }
    return levels;
  }
}

/** Levels of an output (channel, time): (channel, frame), as many frames as are full. */
export function frameLevels({ data, dims, axes, unit }: Output, hop: number): Output {
  if (axes.join() !== "channel,time") throw new InputError(`levels need channels over time, got ${axes.join(", ")}`);
  if (!Number.isInteger(hop) || hop < 1) throw new InputError(`hop is ${hop}; give the samples of a frame, one or more`);
  const [channels] = dims;
  const meter = new FrameMeter(channels, hop, unit);
  const rows = meter.add(data);
  const frames = rows.length / channels;
  const levels = new Float32Array(rows.length);
  for (let frame = 0; frame < frames; frame++) {
    for (let channel = 0; channel < channels; channel++) levels[channel * frames + frame] = rows[frame * channels + channel];
  }
  return { data: levels, dims: [channels, frames], axes: ["channel", "frame"], unit: meter.unit };
}
