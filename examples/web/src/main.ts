/** The page: what is pressed, and what is said. */

import { type Manifest, calibration, decodeAudio, scaled } from "amt-export";
import { AddressField } from "./address_field";
import { Source } from "./audio";
import type { View } from "./columns";
import { clearFacts, describe, describeService, showProgress } from "./facts";
import { onDrop, onKeys } from "./gestures";
import { LevelField } from "./level_field";
import { LoudnessView } from "./loudness";
import { SERVICE, listModels } from "./menu";
import type { Progress } from "./messages";
import { Model, type Opened } from "./model";
import { complain, element, say, write } from "./page";
import { Picture } from "./picture";
import { Reading } from "./reading";
import { decibels, linear } from "./scale";

/** Milliseconds between readings that are written out: as fast as one can read them. */
const READING = 250;

/** Milliseconds after the end of a recording in which its last pieces arrive. */
const TAIL = 150;

/** Seconds of a recording that may wait before the page says that it is behind. */
const BEHIND = 1;

const [sampleButton, openButton, microphoneButton, pauseButton] = ["sample", "open", "microphone", "pause"].map(
  (id) => element<HTMLButtonElement>(id),
);
const picker = element<HTMLSelectElement>("model");
const channel = element<HTMLInputElement>("channel");
const range = element<HTMLSelectElement>("range");
const loud = element<HTMLInputElement>("loud");

const model = new Model();
const level = new LevelField();
const service = new AddressField();
const picture = new Picture(element<HTMLCanvasElement>("picture"), matchMedia("(prefers-reduced-motion: reduce)"));
const loudness = new LoudnessView();
const reading = new Reading(picture);
/** What a model takes: its rate, one ear or two, and what a sample of 1 is to it. */
interface Audio {
  fs: number;
  ears: number;
  gain: () => number;
}
let takes: Audio | null = null;
let remote = false;
let view: View | null = null;
let source: Source | null = null;
/** What starts the current sound again, for another level. */
let again: (() => Promise<void>) | null = null;
let words = "";
let listening = false;
/** Whether it was said that sound was lost. */
let warned = false;
/** Seconds of sound that wait for the model. */
let behind = 0;
let turn = 0;
let ready = Promise.resolve();

/** From full scale to the model's unit; throws where the model takes no sound pressure. */
function gain(opened: Manifest): number {
  const raw = new URLSearchParams(location.search).has("raw");
  try {
    return calibration(opened, raw ? { raw } : { fullScale: level.value }).gain;
  } catch (error) {
    throw new Error((error as Error).message.replace("with raw: true", "by adding ?raw to this page's address"));
  }
}

/** Open a model, or the service whose address is given. */
async function openModel(name: string): Promise<void> {
  const ours = ++turn;
  await stop();
  if (ours !== turn) return;
  remote = name === SERVICE;
  takes = null;
  enable(false);
  service.show(remote);
  level.follow(null);
  clearFacts(remote);
  picture.clear();
  loudness.clear();
  element("hint").hidden = true;
  if (remote && service.empty) {
    model.leave();
    return say("Enter the address of a service, for example ws://localhost:8000/stream.");
  }
  say(remote ? "Connecting …" : `Loading ${name} and checking it here …`);
  const opened = await (remote
    ? model.connect(service.read())
    : model.open(new URL(`models/${name}`, document.baseURI).href));
  if (ours === turn) setUp(opened);
}

function setUp(opened: Opened): void {
  view = opened.view;
  if (opened.type === "opened") {
    const { manifest } = opened;
    takes = { fs: manifest.sampling_rate!, ears: earsOf(manifest), gain: () => gain(manifest) };
    describe(opened);
  } else {
    const { hello } = opened;
    const { host } = new URL(service.read());
    takes = { fs: hello.sampling_rate, ears: hello.ears, gain: () => 1 };
    level.follow({ level: hello.full_scale, by: `the service at ${host}` });
    describeService(hello, host);
  }
  const isLoudness = view.kind === "loudness";
  element("loudness").hidden = !isLoudness;
  element("cochleagram").hidden = !view.frequencies.length;
  element("cochleagram").classList.toggle("second", isLoudness);
  write("title", isLoudness ? "Specific loudness: where along the cochlea it arises" : "");
  loudness.clear();
  picture.open(view.frequencies, view.seconds, scale());
  reading.open(view);
  enable(true);
  element("hint").hidden = false;
}

function scale(): ReturnType<typeof decibels> {
  return view?.kind === "loudness" ? linear(view.unit) : decibels(view?.unit ?? "", Number(range.value));
}

/** Stop what plays, and start anew. */
async function start(
  what: string,
  make: (port: MessagePort, audio: Audio) => Promise<Source>,
  live = false,
): Promise<void> {
  if (!takes) return;
  const ours = ++turn;
  await stop();
  again = () => start(what, make, live);
  warned = false;
  words = what;
  behind = 0;
  try {
    model.reset(takes.gain());
    picture.clear();
    loudness.clear();
    read();
    const made = await make(model.port(live), takes);
    if (ours !== turn) return void made.close();
    source = made;
    setListening(live);
    made.onended = () => void finish(ours);
    element("hint").hidden = true;
    pauseButton.disabled = false;
    say(`Listening to ${what}.`);
  } catch (error) {
    again = null;
    element("hint").hidden = false;
    complain(error);
  }
}

/** The recording is over; what it still makes known follows. */
async function finish(ours: number): Promise<void> {
  await stop();
  if (behind > BEHIND) say(`The end of ${words}; the model is still computing.`);
  setTimeout(() => ours === turn && model.end(), TAIL);
}

async function stop(): Promise<void> {
  const stopped = source;
  source = null;
  setListening(false);
  pauseButton.disabled = true;
  pauseButton.textContent = "Pause";
  await stopped?.close();
}

async function bytesOf(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be read (${response.status}).`);
  return response.arrayBuffer();
}

function earsOf({ inputs }: Manifest): number {
  return inputs[0].axes.includes("ear") ? 2 : 1;
}

/** A recording as the model hears it, relative to full scale. */
async function decode(bytes: ArrayBuffer, { fs, ears }: Audio): Promise<Float32Array[]> {
  return decodeAudio(bytes, fs, ears);
}

function play(what: string, bytes: () => Promise<ArrayBuffer>): Promise<void> {
  return start(what, async (port, audio) =>
    Source.recording(await decode(await bytes(), audio), audio.fs, port, loud.checked),
  );
}

async function takeMicrophone(): Promise<void> {
  if (listening) {
    await stop();
    model.leave();
    say("The microphone is off.");
    return;
  }
  await start("the microphone", (port, { fs, ears }) => Source.microphone(fs, ears, port), true);
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
  say(paused ? "Paused." : `Listening to ${words}.`);
}

function enable(on: boolean): void {
  for (const control of [sampleButton, openButton, microphoneButton, channel]) control.disabled = !on;
}

function read(): void {
  loudness.read();
  reading.read();
}

function show(progress: Progress): void {
  behind = progress.behind;
  showProgress(progress, behind > BEHIND, remote);
  // Once: what is said again and again is read out again and again.
  if (warned) return;
  warned = progress.lost > 0 || progress.mended > 0;
  const slow = remote ? "The service or the network is too slow" : "This device is too slow for the model";
  if (progress.lost) say(`${slow}; some sound is dropped.`, true);
  else if (progress.mended) say("The sound held samples that are no numbers; the model went on from silence.", true);
}

let lastReading = 0;
model.oncolumns = ({ columns, loudness: heard, progress }) => {
  if (columns.length) picture.add(columns);
  if (heard) loudness.add(heard);
  const now = performance.now();
  if (now - lastReading < READING) return;
  lastReading = now;
  read();
  show(progress);
};
model.onended = () => {
  read();
  say(`The end of ${words}.`);
};
model.onfailed = (message) => {
  turn += 1; // what is about to start is not wanted any more
  void stop();
  model.leave();
  complain(new Error(message));
};

sampleButton.onclick = () => void play("the sample, speech_22k.wav", () => bytesOf("speech_22k.wav"));
openButton.onclick = () => element<HTMLInputElement>("file").click();
microphoneButton.onclick = () => void takeMicrophone();
pauseButton.onclick = () => void togglePause();
loud.onchange = () => source?.setLoud(loud.checked);
level.onchange = () => void (source && again?.());
range.onchange = () => picture.setScale(scale());
picker.onchange = service.onconnect = () => {
  ready = openModel(picker.value).catch(complain);
};
element<HTMLInputElement>("file").onchange = ({ target }) => {
  const input = target as HTMLInputElement;
  const file = input.files?.[0];
  if (file) void play(file.name, () => file.arrayBuffer());
  input.value = ""; // so that the same file can be chosen again
};
onKeys({ " ": pauseButton, s: sampleButton, o: openButton, m: microphoneButton });
onDrop((file) => void (openButton.disabled || play(file.name, () => file.arrayBuffer())));

async function begin(): Promise<void> {
  await listModels(picker);
  if (service.given) picker.value = SERVICE;
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
  /** A recording as the model gets it: for each ear one array, at its rate, in its unit. */
  decode: async (url: string): Promise<Float32Array[]> => {
    await ready;
    if (!takes) throw new Error("No model is open.");
    const factor = takes.gain();
    return (await decode(await bytesOf(url), takes)).map((ear) => scaled(ear, factor));
  },
  /** The first output, and the seconds that it took. */
  process: (audio: Float32Array[]) => model.process(audio),
};
declare global {
  interface Window {
    cochleagram: typeof cochleagram;
  }
}
window.cochleagram = cochleagram;
