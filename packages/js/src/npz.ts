/** Read numpy's .npz: a zip of .npy files, stored or deflated. */

import { type NdArray, product } from "./arrays.js";
import { ArtifactError } from "./errors.js";

/** Signature and size of the record at the end of a zip file, and signature of one in its list of files. */
const END = 0x06054b50;
const END_SIZE = 22;
const ENTRY = 0x02014b50;

/** Bytes of the end of a zip file in which that record is: behind it there may be a comment of 64 kB. */
const TAIL = END_SIZE + 0xffff;

const DEFLATED = 8;

/** Bytes of one array at most, unpacked: a small file must not fill the memory. */
const LARGEST = 2 ** 30;

const TYPES: Record<string, Float32ArrayConstructor | Float64ArrayConstructor | Uint8ArrayConstructor> = {
  "<f4": Float32Array,
  "<f8": Float64Array,
  "|b1": Uint8Array,
};

const latin1 = new TextDecoder("latin1");

/** @throws ArtifactError where it is no such file, or is damaged */
export async function readNpz(bytes: Uint8Array): Promise<Record<string, NdArray>> {
  const arrays: Record<string, NdArray> = {};
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let end = bytes.length - END_SIZE;
    const least = Math.max(0, bytes.length - TAIL);
    while (end >= least && view.getUint32(end, true) !== END) end -= 1;
    if (end < least) throw new Error("is no zip file");
    let at = view.getUint32(end + 16, true);
    for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
      if (view.getUint32(at, true) !== ENTRY) throw new Error("the zip file is damaged");
      const method = view.getUint16(at + 10, true);
      const [size, unpacked] = [view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
      const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
      const local = view.getUint32(at + 42, true);
      const path = latin1.decode(bytes.subarray(at + 46, at + 46 + name));
      // The name and extra field before the data have lengths of their own.
      const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      if (unpacked > LARGEST) throw new Error(`${path} is larger than 1 GiB`);
      const packed = bytes.subarray(start, start + size);
      arrays[path.replace(/\.npy$/, "")] = npy(method === DEFLATED ? await inflated(packed, unpacked) : packed, path);
      at += 46 + name + extra + comment;
    }
  } catch (error) {
    throw new ArtifactError(`the test vectors cannot be read (${(error as Error).message}); build the model again`);
  }
  return arrays;
}

async function inflated(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const unpacked = new Uint8Array(size);
  for (let at = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return unpacked;
    unpacked.set(value, at); // throws where there is more than was said
    at += value.length;
  }
}

function npy(bytes: Uint8Array, path: string): NdArray {
  if (latin1.decode(bytes.subarray(1, 6)) !== "NUMPY") throw new Error(`${path} is no npy file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] > 1;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = latin1.decode(bytes.subarray(start, start + length));
  const type = /'descr': '([^']+)'/.exec(header)?.[1];
  const dims = /'shape': \(([^)]*)\)/.exec(header)?.[1].split(",").filter((n) => n.trim()).map(Number);
  const Kind = type === undefined ? undefined : TYPES[type];
  if (!dims || !Kind) throw new Error(`${path} holds ${type ?? "nothing"}, not float32, float64 or bool`);
  const content = new Kind(bytes.slice(start + length).buffer); // aligned
  if (content.length !== product(dims)) throw new Error(`${path} is damaged`);
  const data = content instanceof Float32Array ? content : Float32Array.from(content);
  return { data: header.includes("'fortran_order': True") ? rowByRow(data, dims) : data, dims };
}

/** Numbers whose first axis varies fastest, with the last one varying fastest. */
function rowByRow(data: Float32Array, dims: readonly number[]): Float32Array {
  return data.map((_, i) => {
    let [place, rest] = [0, i];
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      place += (rest % dims[axis]) * product(dims.slice(0, axis));
      rest = Math.floor(rest / dims[axis]);
    }
    return data[place];
  });
}
