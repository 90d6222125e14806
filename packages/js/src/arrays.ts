/** Arrays of numbers with a shape, and pieces of them along one axis. */

export interface NdArray {
  /** Row by row: the last axis varies fastest. */
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

export function zeros(dims: readonly number[], value = 0): NdArray {
  const data = new Float32Array(product(dims));
  return { data: value ? data.fill(value) : data, dims };
}

/** Copy the places `first` to `stop` along an axis of one array to `at` along that axis of another. */
export function copyAlong(from: NdArray, first: number, stop: number, to: NdArray, at: number, axis: number): void {
  const inner = product(from.dims.slice(axis + 1));
  const outer = product(from.dims.slice(0, axis));
  const [step, target] = [inner * from.dims[axis], inner * to.dims[axis]];
  for (let row = 0; row < outer; row++) {
    to.data.set(
      from.data.subarray(row * step + first * inner, row * step + stop * inner),
      row * target + at * inner,
    );
  }
}

/** The places `first` to `stop` along an axis; the array itself where that is all of it. */
export function cutAlong(from: NdArray, first: number, stop: number, axis: number): NdArray {
  if (first === 0 && stop === from.dims[axis]) return from;
  const cut = zeros(from.dims.with(axis, Math.max(0, stop - first)));
  if (stop > first) copyAlong(from, first, stop, cut, 0, axis);
  return cut;
}

/** Arrays one behind the other along an axis; `empty` has their other sizes, and is the answer for none. */
export function joinAlong(pieces: readonly NdArray[], axis: number, empty: readonly number[]): NdArray {
  if (pieces.length === 1) return pieces[0];
  const length = pieces.reduce((sum, piece) => sum + piece.dims[axis], 0);
  const joined = zeros(empty.with(axis, length));
  let at = 0;
  for (const piece of pieces) {
    copyAlong(piece, 0, piece.dims[axis], joined, at, axis);
    at += piece.dims[axis];
  }
  return joined;
}

/** Index of the first number that is NaN or infinite; -1 where all are finite. */
export function firstNonfinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (values[i] - values[i] !== 0) return i;
  return -1;
}
