/** What a service says of itself, checked: it may be any program at all. */

import type { View } from "./columns";

/** The first message of examples/service. */
export interface Hello {
  /** Of these messages. */
  version: number;
  model: string;
  sampling_rate: number;
  ears: number;
  /** dB SPL of a full-scale sine: the service converts samples to the model's unit. */
  full_scale: number;
  quantity: string;
  unit: string;
  /** Seconds from frame to frame. */
  hop: number;
  /** What each number of a frame is. */
  columns: string[];
  /** Hz; none for loudness over time. */
  centre_frequencies: number[];
  /** Samples that the model takes at once, and how far its frames are behind. */
  block: number;
  latency: number;
  /** Bytes that a message may have. */
  message_bytes: number;
}

const VERSION = 1;

/** Larger than anything that a model gives, and small enough for any device. */
const MOST_CHANNELS = 4096;

/** Hz; what browsers bring audio to. */
const RATES = [8000, 96000] as const;

/** Seconds of a column: shorter ones fill the memory; one of loudness is no longer than a point of the curves. */
const HOPS = { level: [0.001, 1], loudness: [0.001, 0.02] } as const;

/** @throws Error for what no service would say */
export function readHello(text: unknown, host: string): Hello {
  const strange = new Error(`What ${host} sent is not the description that examples/service sends (version ${VERSION}).`);
  let hello: Partial<Hello>;
  try {
    hello = JSON.parse(String(text)) as Partial<Hello>;
  } catch {
    throw strange;
  }
  const { model, sampling_rate: fs, ears, full_scale, columns, centre_frequencies: fc, message_bytes } = hello ?? {};
  const { block, latency, hop, quantity, unit } = hello ?? {};
  const good =
    hello?.version === VERSION &&
    [model, quantity, unit].every((word) => typeof word === "string" && word.length < 100) &&
    within(fs, ...RATES) &&
    (ears === 1 || ears === 2) &&
    within(full_scale, -100, 200) &&
    [block, latency, hop].every((value) => within(value, 0, 1e9)) &&
    within(message_bytes, 1024 * ears, Infinity) &&
    Array.isArray(columns) &&
    within(columns.length, 1, MOST_CHANNELS) &&
    Array.isArray(fc) &&
    fc.every((hz, i) => within(hz, i ? fc[i - 1] : 1, 1e6));
  if (!good) throw strange;
  return hello as Hello;
}

/** @throws Error for frames that the page cannot draw */
export function viewOf(hello: Hello, host: string): View {
  const { model, quantity, unit, hop, columns, centre_frequencies: fc } = hello;
  const base = { seconds: hop, unit };
  if (quantity === "level" && within(hop, ...HOPS.level) && columns.length === fc.length) {
    return { ...base, kind: "levels", frequencies: fc };
  }
  if (quantity === "loudness" && within(hop, ...HOPS.loudness) && unit === "sone" && columns.length === 2) {
    return { ...base, kind: "loudness", frequencies: [] };
  }
  throw new Error(
    `${model} at ${host} gives ${columns.length} columns of ${quantity} in ${unit} every ${hop} s, which this page cannot draw.`,
  );
}

function within(value: unknown, low: number, high: number): boolean {
  return typeof value === "number" && value >= low && value <= high;
}
