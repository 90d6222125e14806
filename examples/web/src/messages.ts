/** What the page and its worker say to each other. */

import type { Verdict } from "./check";
import type { Manifest } from "./manifest";

export type ToWorker =
  | { type: "open"; folder: string }
  | { type: "listen"; port: MessagePort }
  | { type: "reset"; gain: number; signal: number }
  | { type: "process"; audio: Float32Array; call: number };

export type FromWorker =
  | { type: "opened"; manifest: Manifest; verdict: Verdict; identical: boolean }
  | { type: "failed"; message: string }
  | { type: "columns"; levels: Float32Array; progress: Progress; signal: number }
  | { type: "processed"; output: Float32Array; seconds: number; call: number };

export interface Progress {
  /** Seconds of audio since the start. */
  heard: number;
  /** Times real time, over the last few seconds. */
  speed: number;
  /** Resets because of NaN. */
  mended: number;
  /** Seconds of audio that were dropped because the machine was too slow. */
  lost: number;
}
