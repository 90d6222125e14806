/**
 * Any length from a fixed one: the plan of overlapping windows, as in amt_export/runtime/windows.py.
 *
 * An artifact takes `length` samples, a recording has any number. From each window those frames are kept that have
 * seen everything they depend on, and these join to the answer of one model of unlimited length.
 */

import { InputError } from "./errors.js";
import type { Manifest } from "./manifest.js";

/** How frames lie on the audio; frame k belongs to sample k * hop. */
export class Framing {
  readonly hop: number;
  readonly frameLength: number;
  readonly warmUp: number;
  readonly lookAhead: number;
  readonly padding: "zero" | "reflect";

  constructor({ hop, frame_length, warm_up, look_ahead, padding }: Manifest) {
    [this.hop, this.frameLength, this.warmUp, this.lookAhead] = [hop, frame_length, warm_up, look_ahead];
    this.padding = padding;
  }

  /** Frames of so many samples; 0 or less when they are too few for one. */
  frames(samples: number): number {
    return 1 + Math.floor((samples - this.frameLength) / this.hop);
  }

  /** Samples of the shortest signal the model takes. */
  shortest(): number {
    // The signal is mirrored about its last sample, so it needs one more than is mirrored.
    return Math.max(this.frameLength, this.padding === "reflect" ? this.lookAhead + 1 : 1);
  }
}

/** One run from sample `start`; its frames `first` to `stop` go to `at`. */
export interface Window {
  start: number;
  first: number;
  stop: number;
  at: number;
}

/** Windows whose kept frames tile the output of the whole signal exactly once, in order. */
export function* plan(samples: number, length: number, framing: Framing): Generator<Window> {
  const { hop, warmUp, lookAhead } = framing;
  const total = framing.frames(samples);
  // Frames of a window from `firstComplete` on have their whole past in it, those before `inside` their whole future.
  const firstComplete = Math.ceil(warmUp / hop);
  const inside = Math.min(framing.frames(length), 1 + Math.floor((length - 1 - lookAhead) / hop));
  for (let done = 0; done < total; ) {
    const start = Math.max(0, done - firstComplete);
    // A window that ends where the signal ends treats the end as the model does; silence may also follow in it.
    const surplus = start * hop + length - samples;
    const endsAlike = surplus === 0 || (surplus > 0 && framing.padding === "zero");
    const stop = Math.min(endsAlike ? framing.frames(length) : inside, total - start);
    if (done - start >= stop) {
      const overlap = warmUp + lookAhead;
      throw new InputError(
        `audio: ${samples} samples need several windows, but this artifact's ${length} samples are all overlap ` +
          `(${overlap}); build it again with --samples ${4 * (overlap + hop)} or more`,
      );
    }
    yield { start: start * hop, first: done - start, stop, at: done };
    done = start + stop;
  }
}

/** Write the samples under a window to `target`, continued past the end as the model would; zeros follow. */
export function fillWindow(target: Float32Array, audio: Float32Array, start: number, framing: Framing): void {
  const piece = audio.subarray(start, start + target.length);
  target.set(piece);
  if (framing.padding !== "reflect") return;
  const mirrored = Math.min(framing.lookAhead, target.length - piece.length, audio.length - 1);
  // x[T-2], x[T-3], ...: the last sample is not repeated, as in torch.stft.
  for (let i = 0; i < mirrored; i++) target[piece.length + i] = audio[audio.length - 2 - i];
}
