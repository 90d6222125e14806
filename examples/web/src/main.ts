/** The page: what is pressed, and what is said. */

import { Source } from "./audio";
import { gainOf } from "./calibration";
import type { Manifest } from "./manifest";
import type { FromWorker, Progress } from "./messages";
import { Model } from "./model";
import { onDrop, onKeys } from "./gestures";
import { Picture } from "./picture";
import { digits, scientific } from "./words";

/** Milliseconds between readings that are written out: as fast as one can read them. */
const READING = 250;

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const [sampleButton, openButton, microphoneButton, pauseButton] = ["sample", "open", "microphone", "pause"].map(
  (id) => element<HTMLButtonElement>(id),
);
const picker = element<HTMLSelectElement>("model");
const channel = element<HTMLInputElement>("channel");
const level = element<HTMLInputElement>("level");
const loud = element<HTMLInputElement>("loud");
const canvas = element<HTMLCanvasElement>("picture");

const model = new Model();
const picture = new Picture(canvas, matchMedia("(prefers-reduced-motion: reduce)"));
let manifest: Manifest | null = null;
let source: Source | null = null;
/** What starts the current sound again, for another model or level. */
let again: (() => Promise<void>) | null = null;
let listening = false;
/** Whether it was said that sound was lost. */
let warned = false;
let turn = 0;
let ready = Promise.resolve();

function say(text: string, bad = false): void {
  const status = element("status");
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

function write(id: string, text: string): void {
  element(id).textContent = text;
}

function decibels(value: number): string {
  return `${value.toFixed(0).replace("-", "−")} ${picture.unit}`;
}

/** From full scale to the model's unit; throws where the model takes no sound pressure. */
function gain(opened: Manifest): number {
  return gainOf(opened, level.valueAsNumber, new URLSearchParams(location.search).has("raw"));
}

async function openModel(name: string): Promise<void> {
  const ours = ++turn;
  await stop();
  enable(false);
  say(`Loading ${name} and checking it here …`);
  element("verdict").className = "pending";
  write("worst", "–");
  const opened = await model.open(new URL(`models/${name}`, document.baseURI).href);
  if (ours !== turn) return;
  manifest = opened.manifest;
  describe(opened);
  picture.open(manifest.centre_frequencies, unitOf(manifest));
  channel.max = `${manifest.centre_frequencies.length - 1}`;
  const middle = manifest.centre_frequencies.findIndex((hz) => hz >= 1000);
  channel.value = `${Math.max(0, middle)}`;
  select();
  enable(true);
  element("hint").hidden = false;
}

function unitOf({ stream }: Manifest): string {
  const [{ unit }] = stream.outputs;
  return unit === "Pa" ? "dB SPL" : `dB re 1 ${unit}`;
}

function describe({ manifest, verdict, identical }: Extract<FromWorker, { type: "opened" }>): void {
  const { stream, sampling_rate: fs, centre_frequencies: fc } = manifest;
  const good = identical && verdict.worst <= verdict.allowed;
  const worst = scientific(verdict.worst);
  element("verdict").className = good ? "good" : "bad";
  write("worst", identical ? worst : "another file");
  write("vectors", `of peak, worst difference from float64 on ${verdict.signals} signals; ${scientific(verdict.allowed)} is allowed`);
  write("delay", `${digits((1000 * (stream.block + stream.latency)) / fs)} ms`);
  write("block", `block of ${stream.block} samples, latency ${stream.latency}`);
  write("channels", `${fc.length} channels`);
  write("description", `${digits(fc[0])} to ${digits(fc[fc.length - 1])} Hz, at ${fs} Hz`);
  write("speed", "–");
  if (good) say(`Ready. Verified here: worst difference ${worst} of peak.`);
  else if (identical) say(`This model is wrong here by ${worst} of peak; do not trust the picture.`, true);
  else say("The model file is not the one that was published; copy it again.", true);
}

/** Stop what plays, and start anew. */
async function start(
  words: string,
  make: (port: MessagePort, fs: number) => Promise<Source>,
  microphone = false,
): Promise<void> {
  if (!manifest) return;
  const ours = ++turn;
  await stop();
  again = () => start(words, make, microphone);
  warned = false;
  try {
    model.reset(gain(manifest));
    picture.clear();
    const made = await make(model.port(), manifest.sampling_rate);
    if (ours !== turn) return void made.close();
    source = made;
    setListening(microphone);
    made.onended = () => {
      void stop();
      say(`The end of ${words}.`);
    };
    element("hint").hidden = true;
    pauseButton.disabled = false;
    say(`Listening to ${words}.`);
  } catch (error) {
    again = null;
    complain(error);
  }
}

async function stop(): Promise<void> {
  const stopped = source;
  source = null;
  setListening(false);
  pauseButton.disabled = true;
  pauseButton.textContent = "Pause";
  await stopped?.close();
}

function complain(error: unknown): void {
  const reasons: Record<string, string> = {
    NotAllowedError: "The browser did not allow the microphone.",
    NotFoundError: "There is no microphone.",
    EncodingError: "This is no audio file that the browser can read.",
    NotSupportedError: "This browser cannot bring its audio to the model's sampling rate.",
  };
  const { name, message } = error as Error;
  say(reasons[name] ?? message, true);
}

async function bytesOf(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be read (${response.status}).`);
  return response.arrayBuffer();
}

function playSample(): Promise<void> {
  return start("the sample, speech_22k.wav", async (port, fs) =>
    Source.recording(await Source.decode(await bytesOf("speech_22k.wav"), fs), port, loud.checked),
  );
}

function playFile(file: File): Promise<void> {
  return start(file.name, async (port, fs) =>
    Source.recording(await Source.decode(await file.arrayBuffer(), fs), port, loud.checked),
  );
}

async function takeMicrophone(): Promise<void> {
  if (listening) {
    await stop();
    say("The microphone is off.");
    return;
  }
  await start("the microphone", (port, fs) => Source.microphone(fs, port), true);
}

function setListening(on: boolean): void {
  listening = on;
  microphoneButton.textContent = on ? "Microphone off" : "Microphone";
}

async function togglePause(): Promise<void> {
  if (!source) return;
  if (source.paused) await source.resume();
  else await source.pause();
  if (!source) return;
  const { paused } = source;
  pauseButton.textContent = paused ? "Resume" : "Pause";
  say(paused ? "Paused." : "Going on.");
}

function enable(on: boolean): void {
  for (const control of [sampleButton, openButton, microphoneButton, channel]) control.disabled = !on;
}

function select(): void {
  picture.channel = channel.valueAsNumber;
  picture.touch();
  read();
  // Only when it is moved: a level that is read out at each change would never be quiet.
  channel.setAttribute("aria-valuetext", element("reading").textContent ?? "");
}

/** Write out the level of the chosen channel, and what the picture shows, for those who do not see it. */
function read(): void {
  const { history } = picture;
  if (!manifest || !history) return;
  const hz = `${Math.round(history.frequencies[picture.channel])} Hz`;
  const now = history.level(picture.channel, 0);
  const text = Number.isNaN(now) ? hz : `${hz}: ${decibels(now)}`;
  write("reading", text);
  const range = `${digits(history.frequencies[0])} to ${digits(history.frequencies.at(-1) ?? 0)} Hz`;
  const top = history.top === null ? "empty" : `brightest colour ${decibels(history.top)}`;
  canvas.setAttribute("aria-label", `Cochleagram, ${range}, ${top}`);
}

function show({ speed, mended, lost }: Progress): void {
  write("speed", speed ? `${digits(speed)} ×` : "–");
  write("speed-of", lost ? `real time; ${digits(lost)} s of sound were dropped` : "real time, on one core");
  element("speed-of").parentElement?.classList.toggle("bad", lost > 0);
  // Once: what is said again and again is read out again and again.
  if (warned) return;
  warned = lost > 0 || mended > 0;
  if (lost) say("This device is too slow for the model; some sound is dropped.", true);
  else if (mended) say("The sound held samples that are no numbers; the model went on from silence.", true);
}

let pointing = false;
function point(event: PointerEvent): void {
  const at = picture.at(event.offsetX, event.offsetY);
  pointing = at !== null;
  if (!at) return;
  const what = Number.isNaN(at.level) ? "" : `: ${decibels(at.level)}, ${at.ago.toFixed(2)} s ago`;
  write("reading", `${digits(at.hz)} Hz${what}`);
}

let lastReading = 0;
model.oncolumns = ({ levels, progress }) => {
  picture.add(levels);
  const now = performance.now();
  if (now - lastReading < READING) return;
  lastReading = now;
  if (!pointing) read();
  show(progress);
};
model.onfailed = (message) => {
  void stop();
  say(message, true);
};

sampleButton.onclick = () => void playSample();
openButton.onclick = () => element<HTMLInputElement>("file").click();
microphoneButton.onclick = () => void takeMicrophone();
pauseButton.onclick = () => void togglePause();
loud.onchange = () => source?.setLoud(loud.checked);
channel.oninput = select;
level.onchange = () => void (source && again?.());
element<HTMLSelectElement>("range").onchange = (event) =>
  picture.setRange(Number((event.target as HTMLSelectElement).value));
picker.onchange = () => {
  ready = openModel(picker.value).catch(complain);
};
element<HTMLInputElement>("file").onchange = ({ target }) => {
  const input = target as HTMLInputElement;
  const file = input.files?.[0];
  if (file) void playFile(file);
  input.value = ""; // so that the same file can be chosen again
};
canvas.onpointermove = point;
canvas.onpointerdown = (event) => {
  const at = picture.at(event.offsetX, event.offsetY);
  if (!at) return;
  channel.value = `${at.channel}`;
  select();
};
canvas.onpointerleave = () => {
  pointing = false;
  read();
};

onKeys({ " ": pauseButton, s: sampleButton, o: openButton, m: microphoneButton });
onDrop((file) => void (openButton.disabled || playFile(file)));

async function begin(): Promise<void> {
  const response = await fetch("models/index.json");
  const models = response.ok ? ((await response.json()) as { name: string; description: string }[]) : [];
  if (!models.length) throw new Error("There is no model yet: run `npm run models`, then load this page again.");
  for (const { name, description } of models) {
    const option = new Option(name, name);
    option.title = description;
    picker.add(option);
  }
  picker.disabled = false;
  await openModel(picker.value);
}

ready = begin().catch(complain);

// Works offline from the second visit on; the development server has nothing to keep.
if (import.meta.env.PROD && "serviceWorker" in navigator) {
  navigator.serviceWorker.register("sw.js").catch(() => {
    // Plain http, or private browsing: the page works, only not offline.
  });
}

/** For tests, and for the curious at the console. */
const cochleagram = {
  /** When the chosen model is open and checked, or the failure was told. */
  ready: () => ready,
  /** A recording as the model gets it: mono, at its rate, in its unit. */
  decode: async (url: string): Promise<Float32Array> => {
    await ready;
    if (!manifest) throw new Error("No model is open.");
    const audio = await Source.decode(await bytesOf(url), manifest.sampling_rate);
    const scale = gain(manifest);
    return audio.getChannelData(0).map((sample) => scale * sample);
  },
  /** The whole output (channels x whole blocks), and the seconds that it took. */
  process: (audio: Float32Array) => model.process(audio),
};
declare global {
  interface Window {
    cochleagram: typeof cochleagram;
  }
}
window.cochleagram = cochleagram;
