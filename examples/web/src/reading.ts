/** The level at a channel or under the pointer, in words. */

import type { View } from "./columns";
import { element, write } from "./page";
import type { Picture } from "./picture";
import { digits } from "./words";

export class Reading {
  private view: View | null = null;
  private pointing = false;
  private readonly canvas = element<HTMLCanvasElement>("picture");
  private readonly channel = element<HTMLInputElement>("channel");

  constructor(private readonly picture: Picture) {
    this.channel.oninput = () => this.select();
    this.canvas.onpointermove = (event) => this.point(event);
    this.canvas.onpointerdown = (event) => {
      const at = picture.at(event.offsetX, event.offsetY);
      if (!at) return;
      this.channel.value = `${at.channel}`;
      this.select();
    };
    this.canvas.onpointerleave = () => {
      this.pointing = false;
      this.read();
    };
  }

  /** Begin at 1 kHz. */
  open(view: View): void {
    this.view = view;
    this.channel.max = `${view.frequencies.length - 1}`;
    this.channel.value = `${Math.max(0, view.frequencies.findIndex((hz) => hz >= 1000))}`;
    this.select();
  }

  /** Write out the level of the chosen channel, and what the picture shows, for those who do not see it. */
  read(): void {
    const { view } = this;
    const { history } = this.picture;
    if (!view?.frequencies.length || !history) return;
    const hz = `${Math.round(history.frequencies[this.picture.channel])} Hz`;
    const now = history.level(this.picture.channel, 0);
    if (!this.pointing) write("reading", Number.isNaN(now) ? hz : `${hz}: ${value(now, view)}`);
    const span = `${digits(history.frequencies[0])} to ${digits(history.frequencies.at(-1) ?? 0)} Hz`;
    const top = history.top === null ? "empty" : `brightest colour ${value(history.top, view)}`;
    const name = view.kind === "loudness" ? "Specific loudness" : "Cochleagram";
    this.canvas.setAttribute("aria-label", `${name}, ${span}, ${top}`);
  }

  private select(): void {
    this.picture.channel = this.channel.valueAsNumber;
    this.picture.touch();
    this.read();
    // Only when it is moved: a level that is read out at each change would never be quiet.
    this.channel.setAttribute("aria-valuetext", element("reading").textContent ?? "");
  }

  private point(event: PointerEvent): void {
    const at = this.picture.at(event.offsetX, event.offsetY);
    this.pointing = at !== null;
    if (!at || !this.view) return;
    const what = Number.isNaN(at.level) ? "" : `: ${value(at.level, this.view)}, ${at.ago.toFixed(2)} s ago`;
    write("reading", `${digits(at.hz)} Hz${what}`);
  }
}

function value(number: number, { kind, unit }: View): string {
  return `${number.toFixed(kind === "loudness" ? 2 : 0).replace("-", "−")} ${unit}`;
}
