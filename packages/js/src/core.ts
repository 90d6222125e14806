/** What there is in browsers and in Node. */

export type { NdArray } from "./arrays.js";
export {
  type Calibration,
  type CalibrationOptions,
  FULL_SCALE_DB,
  P0,
  calibration,
  fullScaleDb,
  scaled,
} from "./calibration.js";
export type { Engine } from "./engine.js";
export { AmtExportError, ArtifactError, BackendError, InputError, StreamError } from "./errors.js";
export { FrameMeter, frameLevels } from "./frame_levels.js";
export type { Files, LoadOptions, Source } from "./load.js";
export type { FileEntry, Manifest, Port, State, StreamInfo } from "./manifest.js";
export { Model } from "./model.js";
export { readNpz } from "./npz.js";
export { phon } from "./phon.js";
export type { Audio, Output, Outputs } from "./signals.js";
export { type OnNonfinite, Stream } from "./stream.js";
export { type JsonVectors, excerpts, vectorsFromJson, vectorsToJson } from "./vectors.js";
export type { Finding, Vectors, Verdict } from "./verify.js";
