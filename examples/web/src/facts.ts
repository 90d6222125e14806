/** The facts below the picture: speed, delay, verification, channels. */

import type { FromWorker, Progress } from "./messages";
import { element, say, write } from "./page";
import { digits, scientific } from "./words";

export function describe({ manifest, verdict }: Extract<FromWorker, { type: "opened" }>): void {
  const { stream, sampling_rate: fs, centre_frequencies: fc } = manifest;
  const [worst] = [...verdict.findings].sort((a, b) => b.difference / b.allowed - a.difference / a.allowed);
  const unit = worst.kind === "db" ? "dB" : "of peak";
  element("verdict").className = verdict.ok ? "good" : "bad";
  write("worst", scientific(worst.difference));
  const signals = `${verdict.signals.length} signals`;
  write("vectors", `${unit}, worst difference from float64 on ${signals}; ${scientific(worst.allowed)} is allowed`);
  write("delay", `${digits((1000 * (stream!.block + stream!.latency)) / fs!)} ms`);
  write("block", `block of ${stream!.block} samples, latency ${stream!.latency}`);
  write("channels", `${fc.length} channels`);
  write("description", `${digits(fc[0])} to ${digits(fc[fc.length - 1])} Hz, at ${fs} Hz`);
  write("speed", "–");
  if (verdict.ok) say(`Ready. Verified here: worst difference ${scientific(worst.difference)} ${unit}.`);
  else say(`This model is wrong here by ${scientific(worst.difference)} ${unit}; do not trust what is shown.`, true);
}

export function showProgress({ speed, lost, behind }: Progress, late: boolean): void {
  write("speed", speed ? `${digits(speed)} ×` : "–");
  const usual = late ? `real time; the picture is ${digits(behind)} s behind` : "real time, on one core";
  write("speed-of", lost ? `real time; ${digits(lost)} s of sound were dropped` : usual);
  element("speed-of").parentElement?.classList.toggle("bad", lost > 0);
}
