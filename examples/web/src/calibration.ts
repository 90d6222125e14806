/** What samples mean to a model, as in amt_export/audio/calibration.py. */

import type { Manifest } from "./manifest";

/** Pa; the reference of dB SPL. */
const P0 = 2e-5;

/** dB SPL of a sine at full scale, unless the user says otherwise. */
const FULL_SCALE_DB = 93.98;

/**
 * The factor from samples relative to full scale to the unit of the model's input.
 *
 * `raw` takes samples as they are, whatever the unit.
 */
export function gainOf({ name, stream }: Manifest, fullScale: number, raw: boolean): number {
  const { unit } = stream.inputs[0];
  if (raw) return 1;
  if (unit !== "Pa") {
    throw new Error(
      `${name} takes ${unit}, and a recording is sound pressure: choose a model that takes Pa, ` +
        "or add ?raw to this page's address to feed samples as they are.",
    );
  }
  return Math.SQRT2 * P0 * 10 ** ((Number.isFinite(fullScale) ? fullScale : FULL_SCALE_DB) / 20);
}
