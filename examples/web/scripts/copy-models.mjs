#!/usr/bin/env node
/**
 * Copy published models, and the sample recording, to where the page finds them.
 *
 *     node scripts/copy-models.mjs [FOLDER ...]
 *
 * FOLDER is what `amt-export build` published; default: the two models below in ../../artifacts. Of each one the
 * streaming ONNX file and the manifest are copied, and `check.json` is made: excerpts of vectors.npz, which as a
 * whole would be most of the page.
 */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readNpz } from "./npz.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");
const target = join(here, "../public");
const DEFAULTS = ["gammatone_speech_16k", "gammatone_music_44k"].map((name) => join(root, "artifacts", name));

/** Samples of each excerpt: several blocks of every model, and beyond the longest response of a channel. */
const EXCERPT = 4096;

/** Samples of silence before the first sound: that it is kept is checked, too. */
const LEAD = 16;

function base64(values) {
  return Buffer.from(Float32Array.from(values).buffer).toString("base64");
}

/**
 * Excerpts of the test vectors that begin with the first sound: until then a causal model is at rest, so that
 * a stream from silence answers the same.
 */
function excerpts(arrays, { stream }) {
  const [input] = stream.inputs;
  const [output] = stream.outputs;
  const signals = {};
  for (const [key, { data: audio }] of Object.entries(arrays)) {
    const match = /^in\.(.+)\.([^.]+)$/.exec(key);
    if (match?.[2] !== input.name) continue;
    const expected = arrays[`out.${match[1]}.${output.name}`];
    const [, channels, total] = expected.shape;
    const onset = audio.findIndex((sample) => sample !== 0);
    const start = Math.max(0, onset - LEAD);
    const samples = Math.floor(Math.min(EXCERPT, total - start) / stream.block) * stream.block;
    const rows = Array.from({ length: channels }, (_, channel) => {
      const first = channel * total + start;
      return [...expected.data.subarray(first, first + samples)];
    });
    signals[match[1]] = {
      samples,
      audio: base64(audio.subarray(start, start + samples)),
      output: base64(rows.flat()),
    };
  }
  return { signals };
}

/** Whether the page can draw it: a causal filterbank of one signal. */
function drawable({ latency, skip, inputs, outputs }) {
  const [input] = inputs;
  const mono = inputs.length === 1 && input.axes.join() === "batch,time" && input.shape[0] === 1;
  return mono && outputs[0].axes.join() === "batch,channel,time" && !latency && !skip;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

const folders = process.argv.slice(2).length ? process.argv.slice(2) : DEFAULTS;
rmSync(join(target, "models"), { recursive: true, force: true });
const index = [];
for (const folder of folders) {
  let manifest;
  try {
    manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  } catch (error) {
    fail(`${folder}: no published model (${error.code ?? error.message}); run amt-export build first`);
  }
  const { name, description } = manifest;
  const file = manifest.files.find((entry) => entry.format === "onnx" && entry.form === "stream");
  if (!file) {
    fail(`${name}: no streaming ONNX file; give the model file a [stream] block and build it again`);
  }
  if (!drawable(manifest.stream)) fail(`${name}: is no filterbank of one signal; the page cannot draw it`);
  const destination = join(target, "models", name);
  mkdirSync(destination, { recursive: true });
  copyFileSync(join(folder, file.path), join(destination, basename(file.path)));
  copyFileSync(join(folder, "manifest.json"), join(destination, "manifest.json"));
  const arrays = readNpz(readFileSync(join(folder, "vectors.npz")));
  writeFileSync(join(destination, "check.json"), JSON.stringify(excerpts(arrays, manifest)));
  index.push({ name, description });
  console.log(`${name}: copied`);
}
writeFileSync(join(target, "models/index.json"), JSON.stringify(index));
copyFileSync(join(root, "tests/data/speech_22k.wav"), join(target, "speech_22k.wav"));
