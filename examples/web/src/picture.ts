/** The cochleagram on its canvas: image, axes and colour bar. */

import { History } from "./history";
import { SHADES, type Scale, TICKS, cams, css, hertz, name } from "./scale";

/** Seconds in the picture; on narrow screens half as many. */
const SECONDS = 8;
const NARROW = 560;

/** CSS pixels around the image. */
const MARGIN = { left: 46, right: 62, top: 28, bottom: 30 };
const BAR = 12;

/** Of the reading line: to be seen on the darkest and on the brightest colour. */
const LINE = "rgb(160 200 255 / 70%)";

export interface Point {
  hz: number;
  channel: number;
  level: number;
  ago: number;
}

export class Picture {
  history: History | null = null;
  /** The channel that the reading line marks. */
  channel = 0;

  private scale: Scale | null = null;
  private stale = true;
  private width = 0;
  private height = 0;

  /**
   * @param still do not scroll: write from left to right, and over again, for eyes that motion troubles
   */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly still: MediaQueryList,
  ) {
    new ResizeObserver(() => this.resize()).observe(canvas);
    still.addEventListener("change", () => this.touch());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.touch());
    const frame = (): void => {
      if (this.stale) this.draw();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** @param columnSeconds of one column of levels */
  open(frequencies: readonly number[], columnSeconds: number, scale: Scale): void {
    this.scale = scale;
    this.history = new History(frequencies, Math.round(SECONDS / columnSeconds), columnSeconds, scale);
    this.touch();
  }

  add(levels: Float32Array): void {
    this.history?.add(levels);
    this.touch();
  }

  clear(): void {
    this.history?.clear();
    this.touch();
  }

  setScale(scale: Scale): void {
    this.scale = scale;
    this.history?.setScale(scale);
    this.touch();
  }

  touch(): void {
    this.stale = true;
  }

  /** What is at a place of the canvas, in CSS pixels. */
  at(x: number, y: number): Point | null {
    const { history } = this;
    const { left, top, width, height } = this.frame();
    if (!history || x < left || x > left + width || y < top || y > top + height) return null;
    const place = history.high - ((y - top) / height) * (history.high - history.low);
    const nearest = history.frequencies.map((hz) => Math.abs(cams(hz) - place));
    const channel = nearest.indexOf(Math.min(...nearest));
    const ago = this.ago((x - left) / width, history);
    const level = history.level(channel, ago);
    return { hz: hertz(place), channel, level, ago: ago * history.seconds };
  }

  private ago(share: number, history: History): number {
    const shown = this.shown(history);
    if (!this.still.matches) return Math.floor((1 - share) * shown);
    const column = Math.floor(share * shown);
    const cursor = history.count % shown;
    return (cursor - 1 - column + shown) % shown;
  }

  private shown(history: History): number {
    return this.width < NARROW ? Math.round(history.columns / 2) : history.columns;
  }

  private frame(): { left: number; top: number; width: number; height: number } {
    return {
      left: MARGIN.left,
      top: MARGIN.top,
      width: Math.max(1, this.width - MARGIN.left - MARGIN.right),
      height: Math.max(1, this.height - MARGIN.top - MARGIN.bottom),
    };
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    [this.width, this.height] = [clientWidth, clientHeight];
    this.canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(clientHeight * devicePixelRatio);
    // At once: a canvas that changes its size is empty.
    this.draw();
  }

  private draw(): void {
    this.stale = false;
    const context = this.canvas.getContext("2d");
    if (!context || !this.width) return;
    const style = getComputedStyle(this.canvas);
    const ink = style.getPropertyValue("--pale");
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.font = `12px ${style.fontFamily}`;
    const { left, top, width, height } = this.frame();
    context.fillStyle = css(0);
    context.fillRect(left, top, width, height);
    if (!this.history) return;
    this.drawImage(context, this.history);
    if (this.history.count) this.drawReadingLine(context, this.history);
    context.fillStyle = context.strokeStyle = ink;
    this.drawFrequencies(context, this.history);
    this.drawTimes(context, this.history);
    this.drawLevels(context, this.history);
  }

  private drawImage(context: CanvasRenderingContext2D, history: History): void {
    const { left, top, width, height } = this.frame();
    const { image, columns } = history;
    const shown = this.shown(history);
    const pixel = width / shown;
    /** Draw columns from `start`, which may go round the end of the ring, at `x`. */
    const put = (start: number, count: number, x: number): void => {
      for (let done = 0; done < count; ) {
        const from = (start + done) % columns;
        const n = Math.min(count - done, columns - from);
        const [to, wide] = [left + (x + done) * pixel, n * pixel];
        context.drawImage(image, from, 0, n, image.height, to, top, wide, height);
        done += n;
      }
    };
    const { count } = history;
    if (!this.still.matches) {
      const n = Math.min(count, shown);
      put(count - n, n, shown - n);
      return;
    }
    const cursor = count % shown;
    put(count - cursor, cursor, 0);
    // What was written in the turn before, behind a gap that shows where now is.
    const gap = Math.round(shown / 60);
    const rest = shown - cursor - gap;
    if (count >= shown && rest > 0) put(count - shown + gap, rest, cursor + gap);
  }

  private drawReadingLine(context: CanvasRenderingContext2D, history: History): void {
    const { left, width } = this.frame();
    const y = this.y(history.frequencies[this.channel] ?? history.frequencies[0], history);
    context.strokeStyle = LINE;
    context.lineWidth = 1;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(left + width, y);
    context.stroke();
    context.setLineDash([]);
  }

  private y(hz: number, history: History): number {
    const { top, height } = this.frame();
    return top + ((history.high - cams(hz)) / (history.high - history.low)) * height;
  }

  private drawFrequencies(context: CanvasRenderingContext2D, history: History): void {
    const { left, top, height } = this.frame();
    context.textAlign = "right";
    context.textBaseline = "middle";
    const taken: number[] = [];
    for (const hz of TICKS) {
      const y = this.y(hz, history);
      const free = taken.every((other) => Math.abs(other - y) > 17);
      if (y < top - 1 || y > top + height + 1 || !free) continue;
      taken.push(y);
      context.fillRect(left - 5, Math.round(y), 4, 1);
      context.fillText(name(hz), left - 8, y);
    }
    context.textBaseline = "alphabetic";
    context.fillText("Hz", left - 8, top - 13);
  }

  private drawTimes(context: CanvasRenderingContext2D, history: History): void {
    const { left, top, width, height } = this.frame();
    const seconds = Math.round(this.shown(history) * history.seconds);
    const step = seconds > 4 ? 2 : 1;
    context.textBaseline = "alphabetic";
    for (let second = 0; second <= seconds; second += step) {
      const x = left + (second / seconds) * width;
      const now = second === seconds && !this.still.matches;
      const text = this.still.matches ? `${second} s` : now ? "now" : `−${seconds - second} s`;
      context.textAlign = second === seconds ? "right" : second ? "center" : "left";
      context.fillRect(Math.min(Math.round(x), left + width - 1), top + height + 1, 1, 4);
      context.fillText(text, x, top + height + 20);
    }
  }

  private drawLevels(context: CanvasRenderingContext2D, history: History): void {
    const { left, top, width, height } = this.frame();
    const x = left + width + 14;
    const ink = context.fillStyle;
    const gradient = context.createLinearGradient(0, top + height, 0, top);
    for (let i = 0; i <= 32; i++) gradient.addColorStop(i / 32, css(Math.round((i / 32) * (SHADES - 1))));
    context.fillStyle = gradient;
    context.fillRect(x, top, BAR, height);
    context.fillStyle = ink;
    context.textAlign = "right";
    context.fillText(this.scale?.unit ?? "", this.width - 2, top - 13);
    context.textAlign = "left";
    if (history.top === null || !this.scale) return;
    const bottom = this.scale.bottom(history.top);
    context.textBaseline = "middle";
    for (const tick of this.scale.ticks(history.top)) {
      const y = top + ((history.top - tick) / (history.top - bottom)) * height;
      context.fillRect(x + BAR + 1, Math.min(Math.round(y), top + height - 1), 4, 1);
      const text = `${tick}`.replace("-", "−");
      context.fillText(text, x + BAR + 8, Math.min(Math.max(y, top + 5), top + height - 5));
    }
  }
}
