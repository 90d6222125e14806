/** The last seconds of levels, as numbers and as an image that is coloured when they arrive. */

import { COLOURS, SHADES, type Scale, cams } from "./scale";

/** Rows of the image for each channel, between which levels are interpolated. */
const ROWS = 4;

export class History {
  /** columns x rows, a ring: `next` is where the next column goes. */
  readonly image: HTMLCanvasElement;
  /** Columns written since the last clear. */
  count = 0;
  /** Level of the brightest colour, once there was anything. */
  top: number | null = null;
  /** Lower and upper end of the picture, in Cams: half a channel beyond the outermost ones. */
  readonly low: number;
  readonly high: number;

  private readonly levels: Float32Array;
  private readonly loudest: Float32Array;
  private readonly rows: { below: number; above: number; share: number }[];
  private readonly context: CanvasRenderingContext2D;

  /**
   * @param frequencies centre frequencies in Hz, ascending
   * @param columns that are kept
   * @param seconds of a column
   * @param scale from numbers to colours
   */
  constructor(
    readonly frequencies: readonly number[],
    readonly columns: number,
    readonly seconds: number,
    private scale: Scale,
  ) {
    const channels = frequencies.length;
    const places = frequencies.map(cams);
    const gap = (i: number): number => (channels > 1 ? places[i + 1] - places[i] : 1);
    this.low = places[0] - gap(0) / 2;
    this.high = places[channels - 1] + gap(channels - 2) / 2;
    this.levels = new Float32Array(columns * channels);
    this.loudest = new Float32Array(columns);
    const height = ROWS * channels;
    this.rows = Array.from({ length: height }, (_, row) => {
      const place = this.high - ((row + 0.5) / height) * (this.high - this.low);
      const above = places.findIndex((other) => other >= place);
      if (above === -1) return { below: channels - 1, above: channels - 1, share: 0 };
      if (above === 0) return { below: 0, above: 0, share: 0 };
      const share = (place - places[above - 1]) / (places[above] - places[above - 1]);
      return { below: above - 1, above, share };
    });
    this.image = document.createElement("canvas");
    this.image.width = columns;
    this.image.height = height;
    this.context = this.image.getContext("2d")!;
    this.clear();
  }

  get next(): number {
    return this.count % this.columns;
  }

  clear(): void {
    this.count = 0;
    this.top = null;
    this.levels.fill(-Infinity);
    this.loudest.fill(-Infinity);
    this.context.clearRect(0, 0, this.image.width, this.image.height);
  }

  setScale(scale: Scale): void {
    this.scale = scale;
    this.paint(0, this.columns);
  }

  /** Level of a channel, `ago` columns before the last one; NaN where there is none. */
  level(channel: number, ago: number): number {
    if (ago < 0 || ago >= Math.min(this.count, this.columns)) return NaN;
    const column = (this.count - 1 - ago) % this.columns;
    return this.levels[column * this.frequencies.length + channel];
  }

  /** Take columns x channels, in the unit of the scale. */
  add(levels: Float32Array): void {
    const channels = this.frequencies.length;
    const fresh = levels.length / channels;
    const first = this.count;
    for (let i = 0; i < fresh; i++) {
      const column = levels.subarray(i * channels, (i + 1) * channels);
      this.levels.set(column, this.next * channels);
      this.loudest[this.next] = column.reduce((a, b) => Math.max(a, b), -Infinity);
      this.count += 1;
    }
    if (this.rescale()) this.paint(0, this.columns);
    else for (let i = first; i < this.count; i++) this.paint(i % this.columns, 1);
  }

  /** Let the top of the scale follow the loudest that is to be seen; tell whether it moved. */
  private rescale(): boolean {
    const loudest = this.loudest.reduce((a, b) => Math.max(a, b), -Infinity);
    const wanted = this.scale.topFor(loudest);
    if (wanted === null || (this.top !== null && this.scale.keeps(this.top, wanted))) return false;
    this.top = wanted;
    return true;
  }

  private paint(start: number, count: number): void {
    const height = this.rows.length;
    if (!height) return; // a model without channels
    const channels = this.frequencies.length;
    const image = this.context.createImageData(count, height);
    const pixels = new Uint32Array(image.data.buffer);
    const shades = new Uint32Array(COLOURS.buffer);
    const top = this.top ?? 0;
    const bottom = this.scale.bottom(top);
    const scale = (SHADES - 1) / (top - bottom || 1);
    const written = Math.min(this.count, this.columns);
    for (let i = 0; i < count && start + i < written; i++) {
      const offset = (start + i) * channels;
      for (let row = 0; row < height; row++) {
        const { below, above, share } = this.rows[row];
        const level = (1 - share) * this.levels[offset + below] + share * this.levels[offset + above];
        const shade = Math.max(0, Math.min(SHADES - 1, Math.round((level - bottom) * scale)));
        pixels[row * count + i] = shades[shade];
      }
    }
    this.context.putImageData(image, start, 0);
  }
}
