/** The facts below the picture: speed, delay, verification, channels. */

import type { Hello } from "./hello";
import type { FromWorker, Progress } from "./messages";
import { element, say, write } from "./page";
import { digits, scientific } from "./words";

/** What the first figure is. */
const LOCAL = "real time";
const REMOTE = "from sound sent to its frames";

export function describe({ manifest, verdict }: Extract<FromWorker, { type: "opened" }>): void {
  const { stream, sampling_rate: fs, centre_frequencies: fc } = manifest;
  const [worst] = [...verdict.findings].sort((a, b) => b.difference / b.allowed - a.difference / a.allowed);
  const unit = worst.kind === "db" ? "dB" : "of peak";
  element("verdict").className = verdict.ok ? "good" : "bad";
  write("worst", scientific(worst.difference));
  const signals = `${verdict.signals.length} signals`;
  write("vectors", `${unit}, worst difference from float64 on ${signals}; ${scientific(worst.allowed)} is allowed`);
  delay(stream!, fs!);
  write("channels", `${fc.length} channels`);
  write("description", `${digits(fc[0])} to ${digits(fc[fc.length - 1])} Hz, at ${fs} Hz`);
  if (verdict.ok) say(`Ready. Verified here: worst difference ${scientific(worst.difference)} ${unit}.`);
  else say(`This model is wrong here by ${scientific(worst.difference)} ${unit}; do not trust what is shown.`, true);
}

/** The same facts of a service; what it computes is not compared with anything here. */
export function describeService(hello: Hello, host: string): void {
  const { model, sampling_rate: fs, columns, centre_frequencies: fc, quantity } = hello;
  // It may break at each underscore.
  write("worst", model.replaceAll("_", "_\u200b"));
  write("vectors", `at ${host}; not verified on this device`);
  delay(hello, fs);
  write("channels", quantity === "level" ? `${fc.length} channels` : "Loudness");
  const what = quantity === "level" ? `${digits(fc[0])} to ${digits(fc[fc.length - 1])} Hz` : columns.join(", ");
  write("description", `${what.replaceAll("_", "-")}, at ${fs} Hz`);
  say(`Ready. ${model} at ${host} computes what is shown.`);
}

/** Nothing is known yet of a model, or of a service. */
export function clearFacts(remote: boolean): void {
  for (const id of ["speed", "delay", "worst", "channels"]) write(id, "–");
  for (const id of ["block", "vectors", "description"]) write(id, "");
  write("speed-label", remote ? "Answers after" : "Speed");
  write("speed-of", remote ? REMOTE : `${LOCAL}, on one core`);
  write("verdict-label", remote ? "Computed by" : "Verified here");
  element("verdict").className = remote ? "by" : "pending";
}

function delay({ block, latency }: { block: number; latency: number }, fs: number): void {
  write("delay", `${digits((1000 * (block + latency)) / fs)} ms`);
  write("block", `block of ${block} samples, latency ${latency}`);
}

export function showProgress({ speed, answer, lost, behind }: Progress, late: boolean, remote: boolean): void {
  if (remote) write("speed", answer ? `${Math.round(1000 * answer)} ms` : "–");
  else write("speed", speed ? `${digits(speed)} ×` : "–");
  const [to, usual] = remote ? [REMOTE, ""] : [LOCAL, ", on one core"];
  const now = late ? `; the picture is ${digits(behind)} s behind` : usual;
  write("speed-of", to + (lost ? `; ${digits(lost)} s of sound were dropped` : now));
  element("speed-of").parentElement?.classList.toggle("bad", lost > 0);
}
