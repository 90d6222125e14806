/** From a model's outputs to columns of the picture: one way for samples, for levels, and for loudness. */

import { FrameMeter, type Manifest, type Output, type Outputs } from "amt-export";

/**
 * Seconds of a column where the model gives samples. The square of a sine repeats after half its period, so that the
 * mean over 5 ms does not ripple at 100 Hz, the lowest channel of the speech models.
 */
const SAMPLES_SECONDS = 0.005;

/** Seconds of a column of specific loudness, of which the model gives a thousand each second. */
const LOUDNESS_SECONDS = 0.01;

/** What a page needs to know to draw a model. */
export interface View {
  kind: "levels" | "loudness";
  /** Of a column. */
  seconds: number;
  unit: string;
  frequencies: number[];
}

/** Frames of outputs, one channel after the other in each: frames x channels. */
interface Columns {
  readonly view: View;
  add(outputs: Outputs): Float32Array;
  reset(): void;
}

/** @throws Error for a model that the page cannot draw */
export function columnsOf(manifest: Manifest): Columns {
  const { name, centre_frequencies: frequencies, sampling_rate: fs, hop, stream } = manifest;
  const outputs = stream?.outputs ?? [];
  const [first] = outputs;
  const axes = first?.axes.join();
  const channels = frequencies.length;
  const base = { frequencies, unit: first?.unit ?? "" };
  if (fs && channels && axes === "batch,channel,time") {
    const width = Math.max(1, Math.round(SAMPLES_SECONDS * fs));
    const meter = new FrameMeter(channels, width, first.unit);
    return {
      view: { ...base, kind: "levels", seconds: width / fs, unit: meter.unit },
      add: (found) => meter.add(found[first.name].data),
      reset: () => meter.reset(),
    };
  }
  if (fs && channels && first?.kind === "db" && (axes === "batch,channel,frame" || axes === "batch,frame,channel")) {
    return {
      view: { ...base, kind: "levels", seconds: hop / fs },
      add: (found) => byFrame(found[first.name]),
      reset: () => {},
    };
  }
  if (fs && outputs.some((port) => port.name === "long_term" && port.unit === "sone")) {
    const specific = outputs.find((port) => port.name === "specific");
    const mean = new Mean(channels, Math.round((LOUDNESS_SECONDS * fs) / hop));
    return {
      view: {
        ...{ kind: "loudness", seconds: LOUDNESS_SECONDS, unit: specific?.unit ?? "" },
        frequencies: specific ? frequencies : [],
      },
      add: (found) => (specific ? mean.add(sumOfEars(found[specific.name])) : new Float32Array(0)),
      reset: () => mean.reset(),
    };
  }
  throw new Error(`${name} gives ${outputs.map((port) => port.name).join(", ")}, which this page cannot draw.`);
}

/** Levels with the frame first. */
function byFrame({ data, dims, axes }: Output): Float32Array {
  if (axes[0] === "frame") return data;
  const [channels, frames] = dims;
  const turned = new Float32Array(data.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let frame = 0; frame < frames; frame++) turned[frame * channels + channel] = data[channel * frames + frame];
  }
  return turned;
}

/** frame x ear x rest, both ears added: frame x rest. */
export function sumOfEars({ data, dims }: Output): Float32Array {
  const [frames, ears] = dims;
  const rest = data.length / Math.max(1, frames * ears);
  const sums = new Float32Array(frames * rest);
  for (let frame = 0; frame < frames; frame++) {
    for (let ear = 0; ear < ears; ear++) {
      for (let i = 0; i < rest; i++) sums[frame * rest + i] += data[(frame * ears + ear) * rest + i];
    }
  }
  return sums;
}

/** Means of so many frames. */
class Mean {
  private readonly sums: Float64Array;
  private count = 0;

  constructor(
    private readonly channels: number,
    private readonly frames: number,
  ) {
    this.sums = new Float64Array(channels);
  }

  reset(): void {
    this.sums.fill(0);
    this.count = 0;
  }

  add(rows: Float32Array): Float32Array {
    const { channels, frames, sums } = this;
    const means = new Float32Array(Math.floor((this.count + rows.length / channels) / frames) * channels);
    let written = 0;
    for (let start = 0; start < rows.length; start += channels) {
      for (let channel = 0; channel < channels; channel++) sums[channel] += rows[start + channel];
      this.count += 1;
      if (this.count < frames) continue;
      for (let channel = 0; channel < channels; channel++) means[written++] = sums[channel] / frames;
      this.reset();
    }
    return means;
  }
}
