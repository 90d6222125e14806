/** The model's own thread: audio waits here, goes through a model or to a service, and comes back as columns. */

import { scaled } from "amt-export";
import { type Drawn, type Engine, Left } from "./engine";
import { Local } from "./local";
import type { FromWorker, Progress, ToWorker } from "./messages";
import { Service } from "./service";

/** Seconds that the speed is measured over. */
const WINDOW = 3;

/** Seconds of live audio that may wait; more would only be a growing delay. */
const PATIENCE = 1;

let engine: Engine | undefined;
/** The last model or service that was asked for. */
let latest = 0;
let gain = 1;
let signal = 0;
/** Whether the signal is over, by its end or by an error: what still comes of it is not heard. */
let over = false;
let queue: Float32Array[][] = [];
/** Samples in the queue, and those that no answer has come for. */
let waiting = 0;
let asked = 0;
let heard = 0;
let pushes = 0;
let lost = 0;
let marks: { busy: number; heard: number; pushes: number }[] = [];
// One thing after the other: a model is not to be swapped, nor a stream reset, within a block.
let last: Promise<void> = Promise.resolve();

function post(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

function inTurn(work: () => Promise<void>, call: number | null = null): void {
  last = last.then(work).catch((error: unknown) => {
    if (!(error instanceof Left)) failed(error, call);
  });
}

function failed(error: unknown, call: number | null = null): void {
  over = true;
  empty();
  post({ type: "failed", message: error instanceof Error ? error.message : String(error), call });
}

function empty(): void {
  queue = [];
  waiting = 0;
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "listen") data.port.onmessage = (event) => hear(event.data as Float32Array[], data.live);
  else if (data.type === "end") inTurn(() => end(data.signal));
  else if (data.type === "process") inTurn(() => processed(data.audio, data.call));
  else {
    // Nobody waits for the signal before this one: a service may take long, or never answer.
    empty();
    over = true;
    engine?.leave();
    if (data.type !== "reset") latest = data.call;
    if (data.type === "open") inTurn(() => open(data.folder, data.call), data.call);
    else if (data.type === "connect") inTurn(() => connect(data.address, data.call), data.call);
    else {
      over = false;
      inTurn(() => restart(data.gain, data.signal));
    }
  }
};

async function open(folder: string, call: number): Promise<void> {
  await close();
  if (call !== latest) return;
  const local = await Local.open(folder);
  engine = local;
  post({ type: "opened", manifest: local.model.manifest, verdict: local.verdict, view: local.view, call });
}

async function connect(address: string, call: number): Promise<void> {
  await close();
  if (call !== latest) return;
  const service: Service = new Service(address, (error) => service === engine && failed(error));
  // Now, so that it can be left while it does not answer.
  engine = service;
  try {
    const { hello, view } = await service.open();
    post({ type: "connected", hello, view, call });
  } catch (error) {
    engine = undefined;
    throw error;
  }
}

async function close(): Promise<void> {
  const closed = engine;
  engine = undefined;
  await closed?.close();
}

async function restart(factor: number, of: number): Promise<void> {
  [gain, signal, lost, heard, pushes, marks] = [factor, of, 0, 0, 0, []];
  await engine?.start();
}

/** Put audio in the queue; of what is live drop the oldest if too much is waiting. */
function hear(audio: Float32Array[], live: boolean): void {
  if (!engine || over) return;
  queue.push(audio);
  waiting += audio[0].length;
  const fs = engine.samplingRate;
  while (live && queue.length && waiting + asked > PATIENCE * fs) {
    const dropped = queue.shift()![0].length;
    waiting -= dropped;
    lost += dropped / fs;
  }
  if (waiting >= engine.least) inTurn(work);
}

/** Let the messages in that have come: WebAssembly leaves no gap between two blocks. */
function comeIn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}

/** Run what waits, up to what the engine takes at once. */
async function work(): Promise<void> {
  await comeIn();
  if (!engine || !queue.length) return;
  const pieces: Float32Array[][] = [];
  let samples = 0;
  while (queue.length && (!samples || samples + queue[0][0].length <= engine.most)) {
    const piece = queue.shift()!;
    samples += piece[0].length;
    pieces.push(piece);
  }
  const audio = pieces[0].map((_, ear) => {
    const joined = new Float32Array(samples);
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece[ear], at);
      at += piece[ear].length;
    }
    return scaled(joined, gain);
  });
  waiting -= samples;
  asked = samples;
  let drawn: Drawn;
  try {
    drawn = await engine.push(audio);
  } finally {
    asked = 0;
  }
  heard += samples;
  pushes += 1;
  show(drawn, engine);
}

async function end(ended: number): Promise<void> {
  while (queue.length) await work();
  if (!engine || over || ended !== signal) return;
  over = true;
  show(await engine.flush(), engine);
  post({ type: "ended", signal });
}

function show({ columns, loudness }: Drawn, by: Engine): void {
  if (!columns.length && !loudness?.long.length) return;
  post({ type: "columns", columns, loudness, progress: progress(by), signal }, [columns.buffer]);
}

function progress({ busy, mended, samplingRate: fs }: Engine): Progress {
  marks.push({ busy, heard, pushes });
  while (marks.length > 2 && heard - marks[0].heard > WINDOW * fs) marks.shift();
  const [spent, audio, count] = [busy - marks[0].busy, (heard - marks[0].heard) / fs, pushes - marks[0].pushes];
  return {
    heard: heard / fs,
    speed: spent > 0 ? audio / spent : 0,
    answer: count ? spent / count : 0,
    mended,
    lost,
    behind: (waiting + asked) / fs,
  };
}

/** A whole signal at once, as fast as it goes: for tests, and for the console. */
async function processed(audio: Float32Array[], call: number): Promise<void> {
  if (!(engine instanceof Local)) throw new Error("No model is open.");
  const { model } = engine;
  const started = performance.now();
  const outputs = await model.process(audio);
  const output = outputs[model.outputs[0].name].data;
  post({ type: "processed", output, seconds: (performance.now() - started) / 1000, call }, [output.buffer]);
}
