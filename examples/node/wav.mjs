/** Read a WAV file in pieces: 16, 24 or 32 bit integers, or 32 bit floats. */

import { fstatSync, openSync, readSync } from "node:fs";

/** Sample formats by code and bits: full scale is 1. */
const READERS = {
  "1/16": (bytes, at) => bytes.readInt16LE(at) / 2 ** 15,
  "1/24": (bytes, at) => bytes.readIntLE(at, 3) / 2 ** 23,
  "1/32": (bytes, at) => bytes.readInt32LE(at) / 2 ** 31,
  "3/32": (bytes, at) => bytes.readFloatLE(at),
};

/** The code that says "see the longer header". */
const EXTENSIBLE = 0xfffe;

export class Wav {
  constructor(path) {
    this.file = openSync(path, "r");
    this.path = path;
    const head = this.bytes(0, 12);
    if (head.toString("latin1", 0, 4) !== "RIFF" || head.toString("latin1", 8, 12) !== "WAVE") {
      throw new Error(`${path}: is no WAV file`);
    }
    for (let at = 12; ; ) {
      const chunk = this.bytes(at, 8);
      if (chunk.length < 8) throw new Error(`${path}: holds no samples`);
      const [kind, size] = [chunk.toString("latin1", 0, 4), chunk.readUInt32LE(4)];
      if (kind === "fmt ") this.format(this.bytes(at + 8, size));
      if (kind === "data") {
        if (!this.read) throw new Error(`${path}: holds samples before their format`);
        this.start = at + 8;
        const there = fstatSync(this.file).size - this.start;
        if (size > there) throw new Error(`${path}: is truncated, ${size - there} of ${size} bytes of samples missing`);
        this.samples = Math.floor(size / this.frame);
        return;
      }
      at += 8 + size + (size % 2);
    }
  }

  format(header) {
    const code = header.readUInt16LE(0) === EXTENSIBLE ? header.readUInt16LE(24) : header.readUInt16LE(0);
    const bits = header.readUInt16LE(14);
    this.channels = header.readUInt16LE(2);
    this.fs = header.readUInt32LE(4);
    this.width = bits / 8;
    this.frame = this.channels * this.width;
    this.read = READERS[`${code}/${bits}`];
    if (!this.read) throw new Error(`${this.path}: format ${code} with ${bits} bits cannot be read`);
  }

  /**
   * Pieces of at most `size` samples, relative to full scale: the channels averaged for one ear, left and right for two.
   */
  *pieces(size, ears) {
    for (let done = 0; done < this.samples; done += size) {
      const bytes = this.bytes(this.start + done * this.frame, Math.min(size, this.samples - done) * this.frame);
      const length = Math.floor(bytes.length / this.frame);
      const sample = (i, channel) => this.read(bytes, i * this.frame + Math.min(channel, this.channels - 1) * this.width);
      const mean = (i) => {
        let sum = 0;
        for (let channel = 0; channel < this.channels; channel++) sum += sample(i, channel);
        return sum / this.channels;
      };
      yield Array.from({ length: ears }, (_, ear) =>
        Float32Array.from({ length }, (_, i) => (ears === 1 ? mean(i) : sample(i, ear))),
      );
    }
  }

  bytes(at, size) {
    const bytes = Buffer.alloc(size);
    return bytes.subarray(0, readSync(this.file, bytes, 0, size, at));
  }
}
