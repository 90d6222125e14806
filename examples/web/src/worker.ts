/** The model's own thread: opens and checks models, runs streams, and makes columns of their outputs. */

import { type JsonVectors, type Model, type Outputs, type Stream, load, scaled, vectorsFromJson } from "amt-export";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { columnsOf, sumOfEars } from "./columns";
import type { FromWorker, Loudness, Progress, ToWorker } from "./messages";

/** Seconds that the speed is measured over. */
const WINDOW = 3;

/** Seconds of live audio that may wait; more would only be a growing delay. */
const PATIENCE = 1;

/** Seconds of audio that go through the model between two messages to the page. */
const STEP = 0.05;

let model: Model | undefined;
let stream: Stream | undefined;
let columns: ReturnType<typeof columnsOf> | undefined;
let gain = 1;
let signal = 0;
/** Whether the recording is over: what still comes of it is not heard. */
let over = false;
let queue: Float32Array[][] = [];
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
  else if (data.type === "listen") data.port.onmessage = (event) => hear(event.data as Float32Array[], data.live);
  else if (data.type === "reset") {
    queue = [];
    waiting = 0;
    inTurn(async () => {
      [gain, signal, lost, marks, over] = [data.gain, data.signal, 0, [], false];
      await restart();
    });
  } else if (data.type === "end") inTurn(() => end(data.signal));
  else inTurn(() => processed(data.audio, data.call));
};

async function open(folder: string): Promise<void> {
  stream = columns = undefined;
  await model?.close();
  // The streaming form is the only file that is hosted.
  model = await load(folder, { wasm, form: "stream" });
  const drawn = columnsOf(model.manifest);
  const response = await fetch(`${folder}/check.json`);
  if (!response.ok) throw new Error(`${folder}/check.json cannot be read (${response.status}).`);
  const verdict = await model.verify(vectorsFromJson((await response.json()) as JsonVectors));
  columns = drawn;
  await restart();
  post({ type: "opened", manifest: model.manifest, verdict, view: drawn.view });
}

async function restart(): Promise<void> {
  columns?.reset();
  // A NaN in the audio must not end a meter that runs for hours.
  stream = await model?.stream({ onNonfinite: "reset" });
}

/** Put audio in the queue; of what is live drop the oldest if too much is waiting. */
function hear(audio: Float32Array[], live: boolean): void {
  if (!stream || !model || over) return;
  queue.push(audio);
  waiting += audio[0].length;
  const fs = model.samplingRate;
  while (live && waiting > PATIENCE * fs) {
    const dropped = queue.shift()?.[0].length ?? 0;
    waiting -= dropped;
    lost += dropped / fs;
  }
  inTurn(work);
}

/** Let the messages in that have come: WebAssembly leaves no gap between two blocks. */
function comeIn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}

/** Run what waits, up to a step. */
async function work(): Promise<void> {
  await comeIn();
  if (!stream || !model || !queue.length) return;
  const pieces: Float32Array[][] = [];
  for (let samples = 0; queue.length && samples < STEP * model.samplingRate; ) {
    const piece = queue.shift()!;
    samples += piece[0].length;
    pieces.push(piece);
  }
  const audio = pieces[0].map((_, ear) => {
    const joined = new Float32Array(pieces.reduce((sum, piece) => sum + piece[ear].length, 0));
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece[ear], at);
      at += piece[ear].length;
    }
    return scaled(joined, gain);
  });
  waiting -= audio[0].length;
  show(await stream.push(audio));
}

async function end(ended: number): Promise<void> {
  while (queue.length) await work();
  if (!stream || ended !== signal) return;
  over = true;
  show(await stream.flush());
  post({ type: "ended", signal });
}

function show(outputs: Outputs): void {
  if (!stream || !model || !columns) return;
  const fresh = columns.add(outputs);
  const loudness = loudnessOf(outputs);
  if (!fresh.length && !loudness?.long.length) return;
  post({ type: "columns", columns: fresh, loudness, progress: progress(stream, model), signal }, [fresh.buffer]);
}

function loudnessOf({ short_term: short, long_term: long }: Outputs): Loudness | null {
  if (!model || !short || !long || long.unit !== "sone") return null;
  return { short: sumOfEars(short), long: sumOfEars(long), seconds: model.manifest.hop / model.samplingRate };
}

function progress({ busy, samples, resets }: Stream, { samplingRate: fs }: Model): Progress {
  // A flush starts the count anew.
  const heard = Math.max(samples, marks.at(-1)?.samples ?? 0);
  marks.push({ busy, samples: heard });
  while (marks.length > 2 && heard - marks[0].samples > WINDOW * fs) marks.shift();
  const spent = busy - marks[0].busy;
  const speed = spent > 0 ? (heard - marks[0].samples) / fs / spent : 0;
  return { heard: heard / fs, speed, mended: resets, lost, behind: waiting / fs };
}

/** A whole signal at once, as fast as it goes: for tests, and for the console. */
async function processed(audio: Float32Array[], call: number): Promise<void> {
  if (!model) throw new Error("No model is open.");
  const started = performance.now();
  const outputs = await model.process(audio);
  const output = outputs[model.outputs[0].name].data;
  post({ type: "processed", output, seconds: (performance.now() - started) / 1000, call }, [output.buffer]);
}
