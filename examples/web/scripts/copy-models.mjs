#!/usr/bin/env node
/**
 * Copy published models, and the sample recording, to where the page finds them.
 *
 *     node scripts/copy-models.mjs [FOLDER ...]
 *
 * FOLDER is what `amt-export build` published; default: the four models below in ../../artifacts. Of each one the
 * streaming ONNX file and the manifest are copied, and `check.json` is made: excerpts of vectors.npz, which as a
 * whole would be most of the page.
 */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { excerpts, readNpz, vectorsToJson } from "amt-export/web";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");
const target = join(here, "../public");
const DEFAULTS = ["cochleagram_casp_44k", "casp_44k", "gammatone_speech_16k", "moore2016_loudness_32k"].map((name) =>
  join(root, "artifacts", name),
);

/** Seconds of each excerpt: beyond the longest response of a channel, and little to download. */
const SECONDS = 0.05;

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
  const { name, description, outputs } = manifest;
  const file = manifest.files.find((entry) => entry.format === "onnx" && entry.form === "stream");
  if (!file) {
    fail(`${name}: no streaming ONNX file; give the model file a [stream] block and build it again`);
  }
  const destination = join(target, "models", name);
  mkdirSync(destination, { recursive: true });
  for (const path of [file.path, "manifest.json"]) copyFileSync(join(folder, path), join(destination, path));
  const vectors = await readNpz(readFileSync(join(folder, "vectors.npz")));
  writeFileSync(join(destination, "check.json"), JSON.stringify(vectorsToJson(excerpts(manifest, vectors, SECONDS))));
  const group = outputs.some((port) => port.unit === "sone") ? "Loudness" : "Cochleagram";
  index.push({ name, group, description });
  console.log(`${name}: copied`);
}
writeFileSync(join(target, "models/index.json"), JSON.stringify(index));
copyFileSync(join(root, "tests/data/speech_22k.wav"), join(target, "speech_22k.wav"));
