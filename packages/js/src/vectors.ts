/** Test vectors that are small enough for a page: the beginnings of those of a published folder, as JSON. */

import { type NdArray, cutAlong } from "./arrays.js";
import { type Manifest, timeAxis } from "./manifest.js";
import { audioPort } from "./signals.js";
import { type Vectors, peakOf } from "./verify.js";

/** Samples of silence that are kept before the first sound. */
const LEAD = 16;

/** `{ "in.click.audio": { dims, data } }`, with float32, little-endian, in base64. */
export type JsonVectors = Record<string, { dims: readonly number[]; data: string }>;

/**
 * The first part of each signal, from its first sound on: until then a model is at rest.
 *
 * @param seconds of sound, beside what the model looks ahead
 */
export function excerpts(manifest: Manifest, vectors: Vectors, seconds = 0.1): Vectors {
  const { port } = audioPort(manifest);
  const { hop, look_ahead: lookAhead, padding, sampling_rate: fs, frame_length: frameLength } = manifest;
  const wanted = Math.round(seconds * (fs ?? 0)) + 2 * lookAhead + 1;
  const short: Vectors = {};
  for (const [key, audio] of Object.entries(vectors)) {
    const [kind, signal, name] = key.split(".");
    if (kind !== "in" || name !== port.name) continue;
    const total = audio.dims.at(-1)!;
    // The first frame must not see the sound yet; and a signal that is mirrored at its start has no other one.
    const onset = padding === "zero" ? firstSound(audio) - LEAD - lookAhead : 0;
    const first = Math.floor(Math.max(0, Math.min(onset, total - wanted)) / hop);
    const samples = Math.min(wanted, total - first * hop);
    short[key] = cutAlong(audio, first * hop, first * hop + samples, audio.dims.length - 1);
    // As many frames as are known by then: those whose future is in the excerpt.
    const known = Math.floor((samples - 1 - lookAhead) / hop) + 1;
    const frames = Math.min(known, 1 + Math.floor((samples - Math.max(1, frameLength)) / hop));
    for (const output of manifest.outputs) {
      const [axis, value] = [timeAxis(output), vectors[`out.${signal}.${output.name}`]];
      if (output.reduced_from !== undefined || !value) continue;
      short[`out.${signal}.${output.name}`] = axis < 0 ? value : cutAlong(value, first, first + frames, axis);
      // Differences are shares of the peak of the whole signal, and its beginning may be soft.
      short[`peak.${signal}.${output.name}`] = { data: Float32Array.of(peakOf(value, output)), dims: [] };
    }
    const left = vectors[`left_out.${signal}`];
    if (left) short[`left_out.${signal}`] = cutAlong(left, first, first + frames, 1);
  }
  return short;
}

/** The first sample that is not 0 at any ear. */
function firstSound({ data, dims }: NdArray): number {
  const total = dims.at(-1)!;
  const onsets = Array.from({ length: data.length / total }, (_, row) =>
    data.subarray(row * total, (row + 1) * total).findIndex((sample) => sample !== 0),
  );
  return Math.min(...onsets.filter((onset) => onset >= 0), total);
}

/** Vectors as JSON, for a page. */
export function vectorsToJson(vectors: Vectors): JsonVectors {
  const json: JsonVectors = {};
  for (const [key, { data, dims }] of Object.entries(vectors)) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    json[key] = { dims, data: btoa(binary) };
  }
  return json;
}

/** Vectors from JSON. */
export function vectorsFromJson(json: JsonVectors): Vectors {
  const vectors: Record<string, NdArray> = {};
  for (const [key, { data, dims }] of Object.entries(json)) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    vectors[key] = { data: new Float32Array(bytes.buffer), dims };
  }
  return vectors;
}
