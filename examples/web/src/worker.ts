/** The model's own thread: opens and checks models, runs streams, and makes levels of their outputs. */

import * as ort from "onnxruntime-web/wasm";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { check, type Excerpts, whole } from "./check";
import { readManifest, streamFile } from "./manifest";
import type { FromWorker, Progress, ToWorker } from "./messages";
import { Meter } from "./meter";
import { Stream } from "./stream";

ort.env.wasm.wasmPaths = { wasm: new URL(wasm, self.location.href).href };
// More threads need SharedArrayBuffer, and that special headers; one is fast enough, and any server will do.
ort.env.wasm.numThreads = 1;

/** Pa; the reference of dB SPL. */
const P0 = 2e-5;

/** Seconds that the speed is measured over. */
const WINDOW = 3;

/** Seconds of audio that may wait; more would only be a growing delay. */
const PATIENCE = 1;

let stream: Stream | undefined;
let meter: Meter | undefined;
let session: ort.InferenceSession | undefined;
let gain = 1;
let signal = 0;
let queue: Float32Array[] = [];
let waiting = 0;
let lost = 0;
let marks: { busy: number; samples: number }[] = [];
// One thing after the other: a model is not to be swapped, nor a stream reset, within a block.
let last: Promise<void> = Promise.resolve();

function post(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

function inTurn(work: () => Promise<void>): void {
  last = last.then(work).catch((error: unknown) => {
    post({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  });
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "open") inTurn(() => open(data.folder));
  else if (data.type === "listen") data.port.onmessage = (event) => hear(event.data as Float32Array);
  else if (data.type === "reset") {
    queue = [];
    waiting = 0;
    inTurn(async () => {
      [gain, signal, lost, marks] = [data.gain, data.signal, 0, []];
      stream?.reset();
      meter?.reset();
    });
  } else inTurn(() => processed(data.audio, data.call));
};

async function open(folder: string): Promise<void> {
  stream = meter = undefined;
  await session?.release();
  session = undefined;
  const manifest = readManifest(await (await get(`${folder}/manifest.json`)).text());
  const file = streamFile(manifest);
  const [model, excerpts] = await Promise.all([
    get(`${folder}/${file.path}`).then((response) => response.arrayBuffer()),
    get(`${folder}/check.json`).then((response) => response.json() as Promise<Excerpts>),
  ]);
  const identical = await hasHash(model, file.sha256);
  session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const opened = new Stream(manifest, session, ort.Tensor as never);
  const verdict = await check(opened, excerpts);
  const [output] = manifest.stream.outputs;
  const reference = output.unit === "Pa" ? P0 : 1;
  meter = new Meter(output.shape[1], manifest.sampling_rate, reference);
  stream = opened;
  post({ type: "opened", manifest, verdict, identical });
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be read (${response.status}).`);
  return response;
}

/** Whether these are the published bytes; where the browser cannot hash (plain http), they are taken to be. */
async function hasHash(bytes: ArrayBuffer, sha256: string): Promise<boolean> {
  if (!self.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

/** Put audio in the queue; drop the oldest if too much is waiting. */
function hear(audio: Float32Array): void {
  if (!stream) return;
  queue.push(audio);
  waiting += audio.length;
  const fs = stream.manifest.sampling_rate;
  while (waiting > PATIENCE * fs) {
    const dropped = queue.shift()?.length ?? 0;
    waiting -= dropped;
    lost += dropped / fs;
  }
  inTurn(work);
}

async function work(): Promise<void> {
  const piece = queue.shift();
  if (!piece || !stream || !meter) return;
  const columns = meter;
  waiting -= piece.length;
  await stream.push(
    piece.map((sample) => gain * sample),
    (output) => columns.add(output),
  );
  const levels = columns.take();
  if (levels.length) post({ type: "columns", levels, progress: progress(stream), signal }, [levels.buffer]);
}

function progress({ busy, samples, mended, manifest }: Stream): Progress {
  const fs = manifest.sampling_rate;
  marks.push({ busy, samples });
  while (marks.length > 2 && samples - marks[0].samples > WINDOW * fs) marks.shift();
  const spent = busy - marks[0].busy;
  const speed = spent > 0 ? (samples - marks[0].samples) / fs / spent : 0;
  return { heard: samples / fs, speed, mended, lost };
}

/** A whole signal at once, as fast as it goes: for tests, and for the console. */
async function processed(audio: Float32Array, call: number): Promise<void> {
  if (!stream) throw new Error("No model is open.");
  const output = await whole(stream, audio);
  const seconds = stream.busy;
  stream.reset();
  post({ type: "processed", output, seconds, call }, [output.buffer]);
}
