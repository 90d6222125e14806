/** Read numpy's .npz: a zip of .npy files, stored or deflated. */

import { inflateRawSync } from "node:zlib";

/** Signature and size of the record at the end of a zip file, and signature of one in its list of files. */
const END = 0x06054b50;
const END_SIZE = 22;
const ENTRY = 0x02014b50;

const TYPES = { "<f4": Float32Array, "<f8": Float64Array };

/**
 * @param {Buffer} bytes
 * @returns {Record<string, { shape: number[], data: Float32Array | Float64Array }>}
 */
export function readNpz(bytes) {
  let end = bytes.length - END_SIZE;
  while (end >= 0 && bytes.readUInt32LE(end) !== END) end -= 1;
  if (end < 0) throw new Error("no zip file");
  const arrays = {};
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    if (bytes.readUInt32LE(at) !== ENTRY) throw new Error("the zip file is damaged");
    const method = bytes.readUInt16LE(at + 10);
    const size = bytes.readUInt32LE(at + 20);
    const [name, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    const local = bytes.readUInt32LE(at + 42);
    const path = bytes.toString("utf8", at + 46, at + 46 + name);
    // The name and extra field before the data have lengths of their own.
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const packed = bytes.subarray(start, start + size);
    arrays[path.replace(/\.npy$/, "")] = readNpy(method === 8 ? inflateRawSync(packed) : packed);
    at += 46 + name + extra + comment;
  }
  return arrays;
}

function readNpy(bytes) {
  if (bytes.toString("latin1", 1, 6) !== "NUMPY") throw new Error("no npy file");
  const long = bytes[6] > 1;
  const start = long ? 12 : 10;
  const length = long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", start, start + length);
  const type = /'descr': '([^']+)'/.exec(header)?.[1];
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1].split(",").filter((n) => n.trim()).map(Number);
  if (!(type in TYPES) || header.includes("'fortran_order': True")) throw new Error(`cannot read ${header}`);
  const content = Uint8Array.from(bytes.subarray(start + length)); // aligned
  return { shape, data: new TYPES[type](content.buffer) };
}
