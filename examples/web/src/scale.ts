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
