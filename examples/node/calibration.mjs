/** What samples mean to a model, as in amt_export/audio/calibration.py. */

/** Pa; the reference of dB SPL. */
const P0 = 2e-5;

/** dB SPL of a sine at full scale, unless the model or the user says otherwise. */
const FULL_SCALE_DB = 93.98;

/**
 * The factor from samples relative to full scale to the unit of the model's input.
 *
 * `fullScale` is the level of a full-scale sine in dB SPL; `raw` takes samples as they are, whatever the unit.
 */
export function gainOf(manifest, { fullScale, raw = false } = {}) {
  const { unit } = manifest.stream.inputs[0];
  if (raw) return 1;
  if (unit !== "Pa" && unit !== "full scale") {
    throw new Error(
      `${manifest.name} takes ${unit}, and a recording is sound pressure: choose a model that takes Pa, ` +
        "or feed samples as they are with --raw",
    );
  }
  const { db_max, spectrum_kwargs } = manifest.parameters;
  const own = db_max ?? spectrum_kwargs?.db_max ?? FULL_SCALE_DB;
  const level = fullScale ?? own;
  return unit === "Pa" ? Math.SQRT2 * P0 * 10 ** (level / 20) : 10 ** ((level - own) / 20);
}
