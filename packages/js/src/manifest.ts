/** What `manifest.json` says, as far as running a model needs it. */

import { product } from "./arrays.js";
import { ArtifactError, reasonOf } from "./errors.js";

export interface Port {
  name: string;
  /** A free batch has the size null. */
  shape: (number | null)[];
  dtype: string;
  unit: string;
  /** Meaning of each dimension, e.g. batch, channel, time. */
  axes: string[];
  kind?: "relative" | "db" | "frequency";
  /** Of levels: what stands for silence, in dB. */
  floor?: number;
  /** Share of the loudest channel's peak below which a channel is compared with that; 0.01 where missing. */
  quiet?: number;
  /** For one number of a whole signal: the output that it is taken from, and how. */
  reduced_from?: string;
  reduction?: string;
}

export interface State {
  input: string;
  output: string;
  shape: (number | null)[];
  dtype: string;
  initial: number;
  meaning: string;
}

export interface StreamInfo {
  /** Samples of a call. */
  block: number;
  /** Samples behind the place of a frame that must be heard before it is known. */
  latency: number;
  /** Frames at the start that come before the first one of the whole form. */
  skip: number;
  states: State[];
  inputs: Port[];
  outputs: Port[];
}

export interface FileEntry {
  path: string;
  format: string;
  form: string;
  bytes: number;
  sha256: string;
}

export interface Manifest {
  schema: number;
  name: string;
  module: string;
  description: string;
  parameters: Record<string, unknown>;
  /** Hz; null for models that know no time. */
  sampling_rate: number | null;
  /** Hz, one per channel. */
  centre_frequencies: number[];
  warm_up: number;
  look_ahead: number;
  padding: "zero" | "reflect";
  hop: number;
  frame_length: number;
  inputs: Port[];
  outputs: Port[];
  stream: StreamInfo | null;
  files: FileEntry[];
  parity: { format: string; form: string; output: string; kind: string; tolerance: number }[];
}

/** The layouts of manifests that can be read: what is needed here is the same in both. */
const SCHEMAS = [1, 2];

/** Numbers in one array at most, 1 GiB of float32: a damaged manifest must not fill the memory. */
const LARGEST = 2 ** 28;

/** Names of files in a published folder: no paths, nothing hidden. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/**
 * Read a manifest.
 *
 * @throws ArtifactError where it is none, or contradicts itself
 */
export function parseManifest(text: string, where: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch (error) {
    throw new ArtifactError(`${where}: is no manifest (${reasonOf(error)}); build the model again`);
  }
  if (!SCHEMAS.includes(manifest?.schema)) {
    throw new ArtifactError(
      `${where}: its schema is ${manifest?.schema}; this version of amt-export reads ${SCHEMAS.join(" and ")}`,
    );
  }
  const problem = problemOf(manifest);
  if (problem) throw new ArtifactError(`${where}: ${problem}; build the model again`);
  return manifest;
}

function problemOf({ name, hop, frame_length, warm_up, look_ahead, padding, ...rest }: Manifest): string | null {
  if (typeof name !== "string" || !FILE_NAME.test(name)) return "has no name";
  if (!Array.isArray(rest.inputs) || !Array.isArray(rest.outputs) || !Array.isArray(rest.files)) {
    return "names no inputs, outputs or files";
  }
  if (!isCount(hop) || hop < 1 || ![frame_length, warm_up, look_ahead].every(isCount)) {
    return "hop, frame_length, warm_up or look_ahead is no number of samples";
  }
  if (padding !== "zero" && padding !== "reflect") return `padding is ${padding}`;
  const { stream } = rest;
  const ports = [...rest.inputs, ...rest.outputs, ...(stream ? [...stream.inputs, ...stream.outputs] : [])];
  for (const port of ports) {
    if (!isShape(port.shape) || port.axes?.length !== port.shape.length) return `${port.name} has an impossible shape`;
    if (port.dtype !== "float32") return `${port.name} is ${port.dtype}, not float32`;
  }
  if (!stream) return null;
  if (!isCount(stream.block) || stream.block < 1 || stream.block % hop || !isCount(stream.skip)) {
    return `a stream in blocks of ${stream.block} with hop ${hop} is impossible`;
  }
  const audio = stream.inputs[0]?.shape;
  if (stream.inputs.length !== 1 || audio.at(-1) !== stream.block) return "its stream contradicts itself";
  const bad = stream.states.find((state) => !isShape(state.shape) || typeof state.initial !== "number");
  return bad ? `${bad.input} has an impossible shape` : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isShape(shape: unknown): shape is (number | null)[] {
  if (!Array.isArray(shape) || !shape.every((size, i) => (size === null && i === 0) || (isCount(size) && size > 0))) {
    return false;
  }
  return product(sized(shape)) <= LARGEST;
}

/** The shape for one signal: a free batch is 1. */
export function sized(shape: readonly (number | null)[]): number[] {
  return shape.map((size) => size ?? 1);
}

/**
 * The ONNX file of a form.
 *
 * @throws ArtifactError where it was not published
 */
export function onnxFile(manifest: Manifest, form: "whole" | "stream"): FileEntry {
  const file = manifest.files.find((entry) => entry.format === "onnx" && entry.form === form);
  if (file && FILE_NAME.test(file.path)) return file;
  const hint = form === "stream" ? "give the model file a [stream] block and build it again" : "build it with ONNX";
  throw new ArtifactError(`${manifest.name}: no ${form === "stream" ? "streaming " : ""}ONNX file was published; ${hint}`);
}

/** The axis along which an output is a course in time; -1 for one that is not. */
export function timeAxis(port: Port): number {
  return port.axes.findIndex((axis) => axis === "time" || axis === "frame");
}

/** The outputs that a stream has: all but what is reduced from another one. */
export function streamOutputs(ports: readonly Port[]): Port[] {
  return ports.filter((port) => port.reduced_from === undefined);
}
