/** What the page and its worker say to each other. */

import type { Manifest, Verdict } from "amt-export";
import type { View } from "./columns";
import type { Hello } from "./hello";

export type ToWorker =
  | { type: "open"; folder: string; call: number }
  /** A service in place of a model. */
  | { type: "connect"; address: string; call: number }
  /** A port that brings audio: for each ear one array. Of what is live, what is too much is dropped. */
  | { type: "listen"; port: MessagePort; live: boolean }
  | { type: "reset"; gain: number; signal: number }
  /** The recording is over: give what is still missing. */
  | { type: "end"; signal: number }
  | { type: "process"; audio: Float32Array[]; call: number };

export type FromWorker =
  | { type: "opened"; manifest: Manifest; verdict: Verdict; view: View; call: number }
  | { type: "connected"; hello: Hello; view: View; call: number }
  /** `call` if it was opening that failed. */
  | { type: "failed"; message: string; call: number | null }
  | { type: "columns"; columns: Float32Array; loudness: Loudness | null; progress: Progress; signal: number }
  | { type: "ended"; signal: number }
  | { type: "processed"; output: Float32Array; seconds: number; call: number };

/** Loudness of both ears together, in sone. */
export interface Loudness {
  /** Frames since the message before. */
  short: Float32Array;
  long: Float32Array;
  /** Of a frame. */
  seconds: number;
}

export interface Progress {
  /** Seconds of audio since the start. */
  heard: number;
  /** Times real time, over the last few seconds. */
  speed: number;
  /** Seconds until an answer, mean of the last few seconds. */
  answer: number;
  /** Resets because of NaN. */
  mended: number;
  /** Seconds of audio that were dropped because the machine, or the service, was too slow. */
  lost: number;
  /** Seconds of audio that wait. */
  behind: number;
}
