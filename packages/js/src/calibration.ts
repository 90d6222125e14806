/** What samples mean to a model, as in amt_export/audio/calibration.py. */

import { InputError } from "./errors.js";
import type { Manifest } from "./manifest.js";
import { type Keys, checkOptions } from "./options.js";
import { audioPort } from "./signals.js";

/** Pa; the reference of dB SPL. */
export const P0 = 2e-5;

/** dB SPL RMS of a sine at full scale, unless the model or the user says otherwise: 1 Pa RMS. */
export const FULL_SCALE_DB = 93.98;

/** dB SPL one may ask for: from far below the quietest converter to above one atmosphere (194). */
const LEVELS = [-100, 200] as const;

export interface CalibrationOptions {
  /** dB SPL RMS of a full-scale sine. Default: the model's convention, `fullScaleDb`. */
  fullScale?: number | undefined;
  /** dB SPL RMS that the recording had, instead; needs `rms`. */
  level?: number | undefined;
  /** RMS of the recording relative to full scale, over the channels that the model hears, each without its mean. */
  rms?: number | undefined;
  /** Take samples as they are, whatever the unit: the factor is 1. */
  raw?: boolean | undefined;
}

const OPTIONS: Keys<CalibrationOptions> = { fullScale: true, level: true, rms: true, raw: true };

export interface Calibration {
  /** Multiply samples by this. */
  gain: number;
  /** How full scale became the model's unit, for people. */
  words: string;
}

/**
 * The level of a full-scale sine by the model's own convention, dB SPL RMS.
 *
 * Models that take samples relative to full scale carry it as their parameter db_max, front ends as that of their
 * first stage.
 */
export function fullScaleDb({ parameters }: Pick<Manifest, "parameters">): number {
  const first = parameters["spectrum_kwargs"] as Record<string, unknown> | null | undefined;
  return Number(parameters["db_max"] ?? first?.["db_max"] ?? FULL_SCALE_DB);
}

/**
 * The factor from samples relative to full scale to a model's unit.
 *
 * @throws InputError where the unit is no sound pressure and `raw` is not asked for, a level is impossible, or an
 * option is unknown
 */
export function calibration(manifest: Manifest, options: CalibrationOptions = {}): Calibration {
  checkOptions("calibration", options, OPTIONS);
  const { fullScale, level, rms, raw = false } = options;
  const { unit } = audioPort(manifest).port;
  if (raw) {
    if (fullScale !== undefined || level !== undefined) {
      throw new InputError("raw samples are taken as they are; give either raw or a level");
    }
    return { gain: 1, words: `raw: samples as they are, in ${unit}` };
  }
  if (unit !== "Pa" && unit !== "full scale") {
    const remedy =
      unit === "m/s" ? "take casp_44k, which has the ears in front of its DRNL" : "choose a model that takes Pa";
    throw new InputError(
      `${manifest.name} takes ${unit}, and a recording is sound pressure: ${remedy}, or feed samples as they are with ` +
        "raw: true",
    );
  }
  const own = fullScaleDb(manifest);
  const sine = fullScale === undefined ? own : checked("full scale", fullScale);
  // Amplitude, in the model's unit, of a sine at full scale.
  const peak = unit === "Pa" ? Math.SQRT2 * P0 * 10 ** (sine / 20) : 10 ** ((sine - own) / 20);
  if (level === undefined && rms !== undefined) throw new InputError("an rms needs the level of the recording");
  if (level === undefined) return { gain: peak, words: `full-scale sine = ${sine} dB SPL` };
  if (fullScale !== undefined) throw new InputError("give either the level of the recording or that of full scale");
  if (rms === undefined) throw new InputError("a level needs the rms of the recording");
  checked("level", level);
  if (rms === 0) throw new InputError(`audio: is silent, so it cannot be brought to ${level} dB SPL; leave level out, or give fullScale instead`);
  return { gain: ((peak * Math.SQRT1_2) / rms) * 10 ** ((level - sine) / 20), words: `the recording has ${level} dB SPL (RMS)` };
}

/** The samples times a factor: a new array. */
export function scaled(samples: Float32Array, gain: number): Float32Array {
  return samples.map((sample) => gain * sample);
}

function checked(what: string, value: number): number {
  if (typeof value !== "number") throw new InputError(`${what} is ${JSON.stringify(value)}; give a number of dB SPL`);
  if (!(value >= LEVELS[0] && value <= LEVELS[1])) {
    throw new InputError(`${what} ${value} dB SPL: give one from ${LEVELS[0]} to ${LEVELS[1]}`);
  }
  return value;
}
