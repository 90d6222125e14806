/** The model against its own test vectors, in this browser, before it is believed. */

import { allowed } from "./manifest";
import type { Stream } from "./stream";

/** `check.json`: excerpts of `vectors.npz`, made by scripts/copy-models.mjs. */
export interface Excerpts {
  /** Signal by name; float32, little-endian, base64. The output is channels x samples. */
  signals: Record<string, { samples: number; audio: string; output: string }>;
}

export interface Verdict {
  /** Largest difference, as a share of the channel's peak or of 1 % of the loudest channel's. */
  worst: number;
  allowed: number;
  /** On which signal. */
  signal: string;
  signals: number;
}

/** A channel quieter than this share of the loudest is measured against that, as in the manifest's parity. */
const QUIET = 0.01;

export async function check(stream: Stream, excerpts: Excerpts): Promise<Verdict> {
  const verdict = { worst: 0, signal: "", signals: 0, allowed: allowed(stream.manifest) };
  for (const [signal, { audio, output, samples }] of Object.entries(excerpts.signals)) {
    const expected = floats(output);
    const found = await whole(stream, floats(audio));
    const difference = relative(found, expected, expected.length / samples);
    verdict.signals += 1;
    // Not `difference > worst`: a NaN must not pass.
    if (!(difference <= verdict.worst)) Object.assign(verdict, { worst: difference, signal });
  }
  stream.reset();
  return verdict;
}

/** The output of a stream from silence: channels x as many samples as there are full blocks for. */
export async function whole(stream: Stream, audio: Float32Array): Promise<Float32Array> {
  const { block, outputs } = stream.manifest.stream;
  const channels = outputs[0].shape[1];
  const samples = Math.floor(audio.length / block) * block;
  const found = new Float32Array(channels * samples);
  let start = 0;
  stream.reset();
  await stream.push(audio, (output) => {
    for (let channel = 0; channel < channels; channel++) {
      found.set(output.subarray(channel * block, (channel + 1) * block), channel * samples + start);
    }
    start += block;
  });
  return found;
}

export function relative(found: Float32Array, expected: Float32Array, channels: number): number {
  if (found.length !== expected.length) return Infinity;
  const samples = expected.length / channels;
  const peaks = new Float64Array(channels);
  const errors = new Float64Array(channels);
  for (let i = 0; i < expected.length; i++) {
    const channel = Math.floor(i / samples);
    peaks[channel] = Math.max(peaks[channel], Math.abs(expected[i]));
    errors[channel] = Math.max(errors[channel], Math.abs(found[i] - expected[i]));
  }
  const loudest = Math.max(...peaks);
  const shares = errors.map((error, i) => (error === 0 ? 0 : error / Math.max(peaks[i], QUIET * loudest)));
  return Math.max(...shares);
}

export function floats(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
