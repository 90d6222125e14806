#!/usr/bin/env node
/**
 * Stream a WAV file of any length through a model, in constant memory.
 *
 *     node stream-wav.mjs FOLDER IN.wav OUT.npy [--output NAME] [--full-scale DB | --raw] [--diotic]
 *
 * FOLDER is what `amt-export build` published, IN.wav has the model's sampling rate, and OUT.npy gets one output (the
 * first, unless NAME says otherwise) as float32, time first: samples x channels, or frames x channels. A sine at full
 * scale is DB dB SPL, 93.98 unless said otherwise; --raw takes samples as they are, in the model's unit. Models of two
 * ears need a stereo file, or --diotic, which gives one channel to both.
 */

import { parseArgs } from "node:util";
import { load, phon, scaled } from "amt-export";
import { Npy } from "./npy.mjs";
import { Wav } from "./wav.mjs";

const USAGE =
  "usage: node stream-wav.mjs FOLDER IN.wav OUT.npy [--output NAME] [--full-scale DB | --raw] [--diotic]";

async function main() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: "string" },
      "full-scale": { type: "string" },
      raw: { type: "boolean" },
      diotic: { type: "boolean" },
    },
  });
  const fullScale = values["full-scale"] === undefined ? undefined : Number(values["full-scale"]);
  if (positionals.length !== 3 || Number.isNaN(fullScale)) throw new Error(USAGE);
  const [folder, input, path] = positionals;
  const model = await load(folder);
  const { ears, samplingRate: fs } = model;
  const { gain, words } = model.calibration({ fullScale, raw: values.raw });
  const wav = new Wav(input);
  if (wav.fs !== fs) throw new Error(`${input}: has ${wav.fs} Hz, ${model.name} needs ${fs} Hz`);
  if (ears === 2 && wav.channels !== 2 && !(values.diotic && wav.channels === 1)) {
    throw new Error(`${input}: has ${wav.channels} channel(s), ${model.name} has two ears; give a stereo file, or --diotic`);
  }
  const stream = await model.stream();
  const name = values.output ?? stream.manifest.stream.outputs[0].name;
  let file;
  let loudest = 0;
  const take = (outputs) => {
    const output = outputs[name];
    if (!output) throw new Error(`${name}: no such output; ${model.name} gives ${Object.keys(outputs).join(", ")}`);
    const rest = output.dims.filter((_, axis) => !/^(time|frame)$/.test(output.axes[axis]));
    file ??= new Npy(path, rest);
    file.append(output);
    loudest = Math.max(loudest, loudestOf(outputs));
  };
  // Several blocks at once, so that reading and writing are not done in crumbs.
  for (const piece of wav.pieces(16 * stream.block, ears)) take(await stream.push(piece.map((ear) => scaled(ear, gain))));
  take(await stream.flush());
  file.close();
  const speed = wav.samples / fs / stream.busy;
  console.log(`${path}: ${[file.rows, ...file.shape].join(" x ")}, ${words}, ${speed.toFixed(1)} times real time`);
  if (loudest) console.log(`loudness: maximum ${loudest.toPrecision(3)} sone (${phon(loudest).toFixed(1)} phon)`);
}

/** The largest long-term loudness of both ears together, in sone; 0 for models of something else. */
function loudestOf({ long_term: course }) {
  if (course?.unit !== "sone") return 0;
  const ears = course.dims.at(-1);
  let most = 0;
  for (let i = 0; i < course.data.length; i += ears) {
    most = Math.max(most, course.data.subarray(i, i + ears).reduce((sum, value) => sum + value, 0));
  }
  return most;
}

/** One line for the user; Node's own errors of files have a path and a code. */
function lineOf({ message, code, path }) {
  if (!path) return message;
  return `${path}: ${code === "ENOENT" ? "no such file or folder" : `cannot be used (${code})`}`;
}

main().catch((error) => {
  console.error(lineOf(error));
  process.exitCode = 1;
});
