/** Write a numpy file whose first axis grows: float32, row by row. */

import { closeSync, openSync, writeSync } from "node:fs";

/** Bytes of the header: it is written first, and again when the length is known. */
const HEADER = 128;

export class Npy {
  rows = 0;

  /** @param shape sizes of the other axes, e.g. [channels] */
  constructor(path, shape) {
    this.shape = shape;
    this.file = openSync(path, "w");
    writeSync(this.file, this.header());
  }

  /** Append an output: its time axis becomes the first one. */
  append({ data, dims, axes }) {
    const axis = axes.findIndex((name) => name === "time" || name === "frame");
    const rows = dims[axis];
    const outer = dims.slice(0, axis).reduce((product, size) => product * size, 1);
    const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
    const turned = outer === 1 ? data : new Float32Array(data.length);
    for (let i = 0; outer > 1 && i < outer; i++) {
      for (let row = 0; row < rows; row++) {
        const piece = data.subarray((i * rows + row) * inner, (i * rows + row + 1) * inner);
        turned.set(piece, (row * outer + i) * inner);
      }
    }
    writeSync(this.file, Buffer.from(turned.buffer, turned.byteOffset, turned.byteLength));
    this.rows += rows;
  }

  close() {
    writeSync(this.file, this.header(), 0, HEADER, 0);
    closeSync(this.file);
  }

  /** Of format version 1.0. */
  header() {
    const shape = [this.rows, ...this.shape].join(", ");
    const bytes = Buffer.alloc(HEADER, " ");
    bytes.write("\x93NUMPY\x01\x00", "latin1");
    bytes.writeUInt16LE(HEADER - 10, 8);
    bytes.write(`{'descr': '<f4', 'fortran_order': False, 'shape': (${shape},), }`, 10, "latin1");
    bytes.write("\n", HEADER - 1);
    return bytes;
  }
}
