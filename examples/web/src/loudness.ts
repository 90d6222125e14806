/** Loudness in numbers and over time: sone on the left, phon on the right. */

import { phon } from "amt-export";
import type { Loudness } from "./messages";
import { element, write } from "./page";
import { rounded } from "./scale";
import { digits } from "./words";

/** Seconds that are shown; on narrow screens half as many. */
const SECONDS = 20;
const NARROW = 560;

/** Seconds of a point of the curves. */
const POINT = 0.02;

/** CSS pixels around the curves. */
const MARGIN = { left: 46, right: 50, top: 26, bottom: 28 };

/** Least distance of two labels of an axis, in CSS pixels. */
const APART = 18;

/** The scale ends here at least, in sone: a quiet room is not to fill the picture. */
const LEAST = 1;

export class LoudnessView {
  private short: number[] = [];
  private long: number[] = [];
  private sums = { short: 0, long: 0, frames: 0 };
  private maximum = { sone: 0, at: 0 };
  private frames = 0;
  private stale = true;
  private readonly canvas = element<HTMLCanvasElement>("history");

  constructor() {
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.stale = true));
    const frame = (): void => {
      if (this.stale) this.draw();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  clear(): void {
    [this.short, this.long, this.frames] = [[], [], 0];
    this.sums = { short: 0, long: 0, frames: 0 };
    this.maximum = { sone: 0, at: 0 };
    for (const id of ["sone", "phon", "maximum-sone", "maximum-phon"]) write(id, "–");
    write("maximum-at", "");
    this.stale = true;
  }

  add({ short, long, seconds }: Loudness): void {
    const perPoint = Math.max(1, Math.round(POINT / seconds));
    for (let i = 0; i < long.length; i++) {
      this.frames += 1;
      if (long[i] > this.maximum.sone) this.maximum = { sone: long[i], at: this.frames * seconds };
      this.sums.short += short[i];
      this.sums.long += long[i];
      this.sums.frames += 1;
      if (this.sums.frames < perPoint) continue;
      this.short.push(this.sums.short / perPoint);
      this.long.push(this.sums.long / perPoint);
      this.sums = { short: 0, long: 0, frames: 0 };
    }
    const kept = Math.round(SECONDS / POINT);
    for (const curve of [this.short, this.long]) curve.splice(0, Math.max(0, curve.length - kept));
    this.stale = true;
  }

  /** Write out the numbers; as often as one can read them. */
  read(): void {
    const now = this.long.at(-1);
    if (now === undefined) return;
    write("sone", sones(now));
    write("phon", phon(now).toFixed(0));
    write("maximum-sone", sones(this.maximum.sone));
    write("maximum-phon", phon(this.maximum.sone).toFixed(0));
    write("maximum-at", `at ${this.maximum.at.toFixed(2)} s`);
    this.canvas.setAttribute(
      "aria-label",
      `Loudness over time: now ${sones(now)} sone, maximum ${sones(this.maximum.sone)} sone`,
    );
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(clientHeight * devicePixelRatio);
    this.draw();
  }

  private draw(): void {
    this.stale = false;
    const { clientWidth, clientHeight } = this.canvas;
    const context = this.canvas.getContext("2d");
    if (!context || !clientWidth) return;
    const style = getComputedStyle(this.canvas);
    const colour = (name: string): string => style.getPropertyValue(name);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, clientWidth, clientHeight);
    context.font = `12px ${style.fontFamily}`;
    const width = Math.max(1, clientWidth - MARGIN.left - MARGIN.right);
    const height = Math.max(1, clientHeight - MARGIN.top - MARGIN.bottom);
    const seconds = clientWidth < NARROW ? SECONDS / 2 : SECONDS;
    const points = Math.round(seconds / POINT);
    const shown = { short: this.short.slice(-points), long: this.long.slice(-points) };
    const top = rounded(Math.max(LEAST, ...shown.short, ...shown.long));
    const y = (sone: number): number => MARGIN.top + (1 - sone / top) * height;
    const x = (i: number, count: number): number => MARGIN.left + (1 - (count - 1 - i) / points) * width;
    context.fillStyle = context.strokeStyle = colour("--pale");
    this.drawAxes(context, { top, y, width, height, seconds }, colour("--line"));
    const curve = (values: number[], stroke: string, thick: number): void => {
      context.beginPath();
      values.forEach((value, i) => context.lineTo(x(i, values.length), y(value)));
      [context.strokeStyle, context.lineWidth, context.lineJoin] = [stroke, thick, "round"];
      context.stroke();
    };
    curve(shown.short, colour("--faint"), 1.25);
    curve(shown.long, colour("--accent"), 2.5);
    this.drawLegend(context, colour, width);
  }

  private drawAxes(
    context: CanvasRenderingContext2D,
    { top, y, width, height, seconds }: { top: number; y: (sone: number) => number; width: number; height: number; seconds: number },
    line: string,
  ): void {
    const right = MARGIN.left + width;
    const ink = context.fillStyle;
    context.textBaseline = "middle";
    // Steps of 0.2, 0.5 or 1 times a power of ten.
    const steps = `${top}`.includes("2") ? 4 : 5;
    for (let i = 0; i <= steps; i++) {
      const sone = (top * i) / steps;
      const place = y(sone);
      context.fillStyle = line;
      context.fillRect(MARGIN.left, Math.round(place), width, 1);
      context.fillStyle = ink;
      context.textAlign = "right";
      context.fillText(digits(sone), MARGIN.left - 8, place);
    }
    context.textAlign = "left";
    let free = -Infinity;
    for (let level = 10 * Math.floor(phon(top) / 10); level >= 10; level -= 10) {
      const place = y(soneOf(level));
      if (place - free < APART || place > MARGIN.top + height - 2) continue;
      context.fillRect(right + 1, Math.round(place), 4, 1);
      context.fillText(`${level}`, right + 9, place);
      free = place;
    }
    context.textBaseline = "alphabetic";
    context.textAlign = "right";
    context.fillText("sone", MARGIN.left - 8, MARGIN.top - 12);
    context.textAlign = "left";
    context.fillText("phon", right + 9, MARGIN.top - 12);
    for (let second = 0; second <= seconds; second += 5) {
      const place = MARGIN.left + (second / seconds) * width;
      context.textAlign = second === seconds ? "right" : second ? "center" : "left";
      context.fillText(second === seconds ? "now" : `−${seconds - second} s`, place, MARGIN.top + height + 20);
    }
  }

  private drawLegend(context: CanvasRenderingContext2D, colour: (name: string) => string, width: number): void {
    context.textAlign = "left";
    let at = MARGIN.left + width - 190;
    for (const [text, stroke, thick] of [
      ["short-term", colour("--faint"), 1.25],
      ["long-term", colour("--accent"), 2.5],
    ] as const) {
      context.fillStyle = stroke;
      context.fillRect(at, MARGIN.top - 16 - thick / 2, 18, thick);
      context.fillStyle = colour("--pale");
      context.fillText(text, at + 24, MARGIN.top - 12);
      at += 104;
    }
  }
}

/** One decimal below 100, none above: what can be read and is true. */
function sones(value: number): string {
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

const known = new Map<number, number>();

/** Loudness in sone of a loudness level: the inverse of `phon`. */
function soneOf(level: number): number {
  const found = known.get(level);
  if (found !== undefined) return found;
  let [low, high] = [Math.log(5e-4), Math.log(310)];
  // Halved until the interval is smaller than what can be drawn.
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (phon(Math.exp(middle)) < level) low = middle;
    else high = middle;
  }
  known.set(level, Math.exp(high));
  return Math.exp(high);
}
