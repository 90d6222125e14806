/** What makes columns of audio: a model in this worker, or a service. */

import type { Loudness } from "./messages";

export interface Engine {
  readonly samplingRate: number;
  /** Samples that are worth a push, and the most that one may take. */
  readonly least: number;
  readonly most: number;
  /** Seconds spent in the model, or until the service answered, since the start. */
  readonly busy: number;
  /** Resets because of NaN. */
  readonly mended: number;
  /** Start a new signal. */
  start(): Promise<void>;
  /** @param audio for each ear one array */
  push(audio: Float32Array[]): Promise<Drawn>;
  /** What is still due at the end. */
  flush(): Promise<Drawn>;
  /** Leave the signal at once; a push that is under way may fail with `Left`. */
  leave(): void;
  close(): Promise<void>;
}

/** What audio has made known. */
export interface Drawn {
  /** Columns of the picture, one after the other. */
  columns: Float32Array;
  loudness: Loudness | null;
}

/** The user has gone on to something else: nobody waits for this answer. */
export class Left extends Error {}
