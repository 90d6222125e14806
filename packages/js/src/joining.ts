/** Windows or blocks of a signal, joined to the answer for the whole signal, as in amt_export/runtime/joining.py. */

import { type NdArray, copyAlong, product, zeros } from "./arrays.js";
import type { Session } from "./engine.js";
import { ArtifactError, InputError } from "./errors.js";
import { type Manifest, streamOutputs, sized, timeAxis } from "./manifest.js";
import { type Outputs, audioPort, firstRow, isTimed } from "./signals.js";
import type { Stream } from "./stream.js";
import { Framing, fillWindow, plan } from "./windows.js";

type Arrays = Record<string, NdArray>;

/** The way in which one number of a whole signal is taken from a course in time. */
const MAX_OF_EARS = "max of the sum over ears";

/** Run every window of a signal through the whole form. Outputs have a batch axis of 1. */
export async function joinWindows(session: Session, manifest: Manifest, signal: readonly Float32Array[]): Promise<Arrays> {
  const { port } = audioPort(manifest);
  const framing = new Framing(manifest);
  const [samples, dims] = [signal[0].length, sized(port.shape)];
  const length = dims[dims.length - 1];
  if (samples < framing.shortest()) {
    throw new InputError(`audio: ${samples} samples; this model needs at least ${framing.shortest()}`);
  }
  const whole: Arrays = {};
  for (const output of streamOutputs(manifest.outputs).filter(isTimed)) {
    const [axis, size] = [timeAxis(output), sized(output.shape)];
    if (size[axis] !== framing.frames(length)) {
      throw new ArtifactError(
        `${output.name}: ${size[axis]} frames of ${length} samples contradict the manifest's hop and frame_length; ` +
          "build the model again",
      );
    }
    whole[output.name] = zeros(size.with(axis, framing.frames(samples)).with(0, 1));
  }
  for (const window of plan(samples, length, framing)) {
    const data = new Float32Array(product(dims)); // further rows of a fixed batch stay silent
    signal.forEach((ear, i) => fillWindow(data.subarray(i * length, (i + 1) * length), ear, window.start, framing));
    const answer = await session.run({ [port.name]: { data, dims } });
    for (const output of streamOutputs(manifest.outputs)) {
      const part = firstRow(answer[output.name], output);
      if (!isTimed(output)) whole[output.name] ??= part;
      else copyAlong(part, window.first, window.stop, whole[output.name], window.at, timeAxis(output));
    }
  }
  return whole;
}

/**
 * Whether only the streaming form answers a signal of some length: windows may overlap entirely, because what they
 * depend on is longer than they are; or only the streaming form knows where the signal ends.
 */
export function needsStream(manifest: Manifest, samples: number): boolean {
  const length = sized(manifest.inputs[0].shape).at(-1)!;
  const overlap = samples > length && manifest.warm_up + manifest.look_ahead >= length;
  return overlap || (samples !== length && endMatters(manifest) && manifest.padding !== "reflect");
}

/**
 * Whether the last frames of a signal are others if silence follows it: where the signal is mirrored, and where frames
 * side by side look ahead, behind a decimation that takes what it decimates to be 0 behind the end.
 */
export function endMatters({ padding, frame_length, hop, look_ahead }: Manifest): boolean {
  return padding === "reflect" || (frame_length === hop && hop > 1 && look_ahead >= hop);
}

/** Run a signal through a stream, from its beginning to its end. Outputs have a batch axis of 1. */
export async function joinStream(manifest: Manifest, signal: readonly Float32Array[], stream: Stream): Promise<Arrays> {
  const samples = signal[0].length;
  const framing = new Framing(manifest);
  if (samples < framing.shortest()) {
    throw new InputError(`audio: ${samples} samples; this model needs at least ${framing.shortest()}`);
  }
  const frames = framing.frames(samples);
  const whole: Arrays = {};
  let at = 0;
  const take = (outputs: Outputs): void => {
    let taken = 0;
    for (const port of streamOutputs(manifest.outputs)) {
      const { data, dims } = outputs[port.name];
      const axis = timeAxis(port);
      if (axis < 0) {
        whole[port.name] = { data, dims };
        continue;
      }
      const part = { data, dims: [1, ...dims] };
      taken = part.dims[axis];
      whole[port.name] ??= zeros(part.dims.with(axis, frames));
      copyAlong(part, 0, taken, whole[port.name], at, axis);
    }
    at += taken;
  };
  // Some seconds at once: pieces and their outputs are in memory beside the answer.
  const step = stream.block * Math.max(1, Math.ceil((1 << 17) / stream.block));
  for (let start = 0; start < samples; start += step) {
    take(await stream.push(signal.map((ear) => ear.subarray(start, start + step))));
  }
  take(await stream.flush());
  return whole;
}

/**
 * Compute the last frames of a mirrored signal once more, with a stream: it knows where the signal ends.
 *
 * A frame may be the mean of shorter ones, as far as these have their centre in the signal. An artifact of one length
 * averages all of them, unless the signal ends where it does itself.
 */
export async function mendEnd(outputs: Arrays, manifest: Manifest, signal: readonly Float32Array[], stream: Stream): Promise<void> {
  const { hop, lookAhead, warmUp } = new Framing(manifest);
  // The first frame that looks beyond the end, and where its past begins.
  const first = Math.max(0, Math.floor((signal[0].length - 1 - lookAhead) / hop) + 1);
  const start = Math.max(0, first - Math.ceil(warmUp / hop)) * hop;
  const end = await joinStream(manifest, signal.map((ear) => ear.subarray(start)), stream);
  for (const port of manifest.outputs.filter(isTimed)) {
    const axis = timeAxis(port);
    copyAlong(end[port.name], first - start / hop, end[port.name].dims[axis], outputs[port.name], first, axis);
  }
}

/** Add the numbers that stand for a whole signal, in the order of the manifest. */
export function reduceCourses(outputs: Arrays, manifest: Manifest): Arrays {
  const every: Arrays = {};
  for (const { name, reduced_from: from, reduction } of manifest.outputs) {
    if (from === undefined) {
      every[name] = outputs[name];
    } else if (reduction === MAX_OF_EARS && from in outputs) {
      const { data, dims } = outputs[from];
      const ears = dims[2];
      let largest = 0; // loudness is never less
      for (let i = 0; i < data.length; i += ears) {
        // In float32, as Python adds them.
        const both = data.subarray(i, i + ears).reduce((sum, value) => Math.fround(sum + value), 0);
        if (!(both <= largest)) largest = both;
      }
      every[name] = { data: Float32Array.of(largest), dims: [1] };
    } else {
      throw new ArtifactError(`${manifest.name}: ${name} is reduced by ${reduction}, which this version does not know; update amt-export`);
    }
  }
  return every;
}
