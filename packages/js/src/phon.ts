/** Loudness level in phon of a loudness in sone, as in amt_export/runtime/phon.py. */

import { SONE_OF_PHON } from "./phon_table.js";

/** Phon from entry to entry of the table. */
const STEP = 0.1;

interface Table {
  /** Natural logarithms of the loudness. */
  x: Float64Array;
  /** Slopes of the loudness level there, in phon. */
  slopes: Float64Array;
}

let known: Table | undefined;

function table(): Table {
  if (known) return known;
  const bytes = Uint8Array.from(atob(SONE_OF_PHON), (character) => character.charCodeAt(0));
  const x = Float64Array.from(new Float32Array(bytes.buffer), Math.log);
  const last = x.length - 1;
  const secant = (i: number): number => STEP / (x[i + 1] - x[i]);
  // Piecewise cubics that rise where the data do (Fritsch and Butland 1984).
  const slopes = x.map((_, i) => {
    if (i === 0 || i === last) return secant(Math.min(i, last - 1));
    const [before, behind] = [x[i] - x[i - 1], x[i + 1] - x[i]];
    const [first, second] = [2 * behind + before, behind + 2 * before];
    return (first + second) / (first / secant(i - 1) + second / secant(i));
  });
  known = { x, slopes };
  return known;
}

/**
 * Loudness level in phon of a loudness in sone, of both ears together.
 *
 * 0 below the first entry of the table (5.4e-4 sone), 120 above its last (305 sone), NaN for NaN.
 */
export function phon(sone: number): number {
  if (Number.isNaN(sone)) return NaN;
  const { x, slopes } = table();
  const place = Math.min(Math.max(Math.log(Math.max(sone, 0)), x[0]), x[x.length - 1]);
  let [low, high] = [0, x.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] <= place) low = middle;
    else high = middle;
  }
  const width = x[low + 1] - x[low];
  const t = (place - x[low]) / width;
  const level = STEP * (low + t * t * (3 - 2 * t));
  return level + width * t * (1 - t) * ((1 - t) * slopes[low] - t * slopes[low + 1]);
}
