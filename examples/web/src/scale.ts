/** Frequency along the cochlea, and colours for levels. */

/** Place on the ERB-number scale, in Cams, of a frequency in Hz (Glasberg and Moore 1990). */
export function cams(hz: number): number {
  return 9.2645 * Math.log(1 + 0.00437 * hz);
}

/** Frequency in Hz of a place in Cams. */
export function hertz(cam: number): number {
  return (Math.exp(cam / 9.2645) - 1) / 0.00437;
}

/** Hz that get a label, those that give way last first. */
export const TICKS = [1000, 100, 200, 500, 2000, 4000, 8000, 16000, 50, 300, 3000];

export function name(hz: number): string {
  return hz >= 1000 ? `${hz / 1000}k` : `${hz}`;
}

/** matplotlib's magma at 13 equal steps (CC0). */
const MAGMA =
  "000004 100b2d 2c115f 51127c 721f81 932b80 b73779 d8456c f1605d fc8961 feb078 fed799 fcfdbf".split(" ");

/** Shades of the colour scale. */
export const SHADES = 256;

/** RGBA of each shade, dark to bright, as ImageData stores them. */
export const COLOURS: Uint8ClampedArray = colours();

function colours(): Uint8ClampedArray {
  const anchors = MAGMA.map((code) => [0, 2, 4].map((i) => parseInt(code.slice(i, i + 2), 16)));
  const table = new Uint8ClampedArray(4 * SHADES);
  for (let shade = 0; shade < SHADES; shade++) {
    const position = (shade / (SHADES - 1)) * (anchors.length - 1);
    const below = Math.min(Math.floor(position), anchors.length - 2);
    for (let part = 0; part < 3; part++) {
      const [a, b] = [anchors[below][part], anchors[below + 1][part]];
      table[4 * shade + part] = a + (position - below) * (b - a);
    }
    table[4 * shade + 3] = 255;
  }
  return table;
}

export function css(shade: number): string {
  return `rgb(${COLOURS[4 * shade]} ${COLOURS[4 * shade + 1]} ${COLOURS[4 * shade + 2]})`;
}

/** How numbers become colours. */
export interface Scale {
  readonly unit: string;
  /** What the top of the scale should be for the loudest number in the picture; null where that is no number. */
  topFor(loudest: number): number | null;
  /** Whether a top may stay although another one is wanted: colours should stay what they are. */
  keeps(top: number, wanted: number): boolean;
  bottom(top: number): number;
  ticks(top: number): number[];
}

/** dB between tops of the scale. */
const STEP = 10;

/** Levels: `range` dB below a top in whole steps. */
export function decibels(unit: string, range: number): Scale {
  return {
    unit,
    // What stands for silence moves nothing.
    topFor: (loudest) => (loudest < -190 ? null : STEP * Math.ceil(loudest / STEP)),
    // Downwards only when the picture has become too dark.
    keeps: (top, wanted) => wanted <= top && wanted >= top - 2 * STEP,
    bottom: (top) => top - range,
    ticks: (top) => Array.from({ length: Math.floor(range / 20) + 1 }, (_, i) => top - 20 * i),
  };
}

/** Numbers from 0 to a round top. */
export function linear(unit: string): Scale {
  return {
    unit,
    topFor: (loudest) => (loudest > 1e-3 ? rounded(loudest) : null),
    keeps: (top, wanted) => wanted <= top && wanted >= top / 4,
    bottom: () => 0,
    ticks: (top) => [top, top / 2, 0],
  };
}

/** The next of 1, 2, 5, 10, ... that is not below a number. */
export function rounded(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((step) => step * power >= value * (1 - 1e-9)) ?? 10;
  return Number((factor * power).toPrecision(3));
}
