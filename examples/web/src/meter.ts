/** From waveforms to levels: mean squares of each channel over columns of the picture. */

/**
 * Seconds of a column. The square of a sine repeats after half its period, so that the mean over 5 ms does
 * not ripple at 100 Hz, the lowest channel of the speech models.
 */
export const COLUMN_SECONDS = 0.005;

/** Energy that stands for none, so that silence has a level. */
const FLOOR = 1e-30;

export class Meter {
  /** Samples of a column. */
  readonly width: number;
  private readonly sums: Float64Array;
  private count = 0;
  private columns: Float32Array[] = [];

  constructor(
    private readonly channels: number,
    fs: number,
    private readonly reference: number,
  ) {
    this.width = Math.max(1, Math.round(COLUMN_SECONDS * fs));
    this.sums = new Float64Array(channels);
  }

  reset(): void {
    this.sums.fill(0);
    this.count = 0;
    this.columns = [];
  }

  /** Take channels x n samples, one channel after the other. */
  add(output: Float32Array): void {
    const samples = output.length / this.channels;
    for (let start = 0; start < samples; ) {
      const stop = Math.min(samples, start + this.width - this.count);
      for (let channel = 0; channel < this.channels; channel++) {
        let sum = 0;
        for (let i = channel * samples + start; i < channel * samples + stop; i++) sum += output[i] ** 2;
        this.sums[channel] += sum;
      }
      this.count += stop - start;
      start = stop;
      if (this.count === this.width) this.finish();
    }
  }

  /** The columns that were finished since the last call, in dB: columns x channels. */
  take(): Float32Array {
    const taken = new Float32Array(this.columns.length * this.channels);
    this.columns.forEach((column, index) => taken.set(column, index * this.channels));
    this.columns = [];
    return taken;
  }

  private finish(): void {
    const column = new Float32Array(this.channels);
    for (let channel = 0; channel < this.channels; channel++) {
      const energy = this.sums[channel] / this.width;
      // A NaN is nothing that can be drawn.
      column[channel] = 10 * Math.log10((energy > FLOOR ? energy : FLOOR) / this.reference ** 2);
    }
    this.columns.push(column);
    this.sums.fill(0);
    this.count = 0;
  }
}
