#!/usr/bin/env node
/**
 * Stream a WAV file of any length through a model, in constant memory.
 *
 *     node stream-wav.mjs FOLDER IN.wav OUT.npy [--full-scale DB | --raw]
 *
 * FOLDER is what `amt-export build` published, IN.wav has the model's sampling rate, and OUT.npy gets the first
 * output, samples x channels, float32 (numpy.load(OUT, mmap_mode="r").T is channels x samples). A sine at full
 * scale is DB dB SPL, 93.98 unless said otherwise; --raw takes samples as they are, in the model's unit.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { gainOf } from "./calibration.mjs";
import { Stream } from "./stream.mjs";
import { Wav } from "./wav.mjs";

/** Bytes of the npy header: it is written first, and again when the length is known. */
const HEADER = 128;

async function main() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { "full-scale": { type: "string" }, raw: { type: "boolean" } },
  });
  const { raw } = values;
  const fullScale = values["full-scale"] === undefined ? undefined : Number(values["full-scale"]);
  if (positionals.length !== 3 || Number.isNaN(fullScale) || (raw && fullScale !== undefined)) {
    throw new Error("usage: node stream-wav.mjs FOLDER IN.wav OUT.npy [--full-scale DB | --raw]");
  }
  const [folder, input, output] = positionals;
  const stream = await Stream.open(folder);
  const { manifest, block } = stream;
  const [audio] = manifest.stream.inputs;
  const [port] = manifest.stream.outputs;
  if (audio.axes.join() !== "batch,time" || (audio.shape[0] ?? 1) !== 1 || port.axes.join() !== "batch,channel,time") {
    throw new Error(`${manifest.name}: is no filterbank of one signal`);
  }
  const wav = new Wav(input);
  if (wav.fs !== manifest.sampling_rate) {
    throw new Error(`${input}: has ${wav.fs} Hz, ${manifest.name} needs ${manifest.sampling_rate} Hz`);
  }
  const gain = gainOf(manifest, { fullScale, raw });
  const channels = port.shape[1];
  const { skip } = manifest.stream;
  const file = openSync(output, "w");
  writeSync(file, header(0, channels));
  let [samples, written, busy] = [0, 0, 0];
  // Zeros behind the end: until the last block is full, and the last sample is through.
  const tail = Math.ceil(skip / block);
  for (const piece of padded(wav.pieces(block), block, tail)) {
    const started = performance.now();
    const answer = await stream.run(piece.audio.map((sample) => gain * sample));
    busy += (performance.now() - started) / 1000;
    samples += piece.real;
    // The first `skip` samples are about the time before the signal.
    const first = Math.min(block, Math.max(0, skip - written));
    const last = Math.min(block, skip + samples - written);
    writeSync(file, transposed(answer[port.name], channels, block, first, last));
    written += block;
  }
  writeSync(file, header(samples, channels), 0, HEADER, 0);
  closeSync(file);
  const seconds = samples / wav.fs;
  console.log(`${output}: ${samples} x ${channels}, ${(seconds / busy).toFixed(1)} times real time`);
}

/** Blocks of full length, zeros in what is missing, and `tail` of nothing. */
function* padded(pieces, block, tail) {
  for (const piece of pieces) {
    const audio = new Float32Array(block);
    audio.set(piece);
    yield { audio, real: piece.length };
  }
  for (let i = 0; i < tail; i++) yield { audio: new Float32Array(block), real: 0 };
}

/** Samples `first` to `last` of channels x block, as samples x channels. */
function transposed(output, channels, block, first, last) {
  const rows = new Float32Array(Math.max(0, last - first) * channels);
  for (let t = first; t < last; t++) {
    for (let c = 0; c < channels; c++) rows[(t - first) * channels + c] = output[c * block + t];
  }
  return Buffer.from(rows.buffer);
}

/** The header of an npy file (version 1.0), padded to HEADER bytes. */
function header(samples, channels) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${samples}, ${channels}), }`;
  const bytes = Buffer.alloc(HEADER, " ");
  bytes.write("\x93NUMPY\x01\x00", "latin1");
  bytes.writeUInt16LE(HEADER - 10, 8);
  bytes.write(text, 10, "latin1");
  bytes.write("\n", HEADER - 1);
  return bytes;
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
