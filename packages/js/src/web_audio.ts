/** Sound in a browser, brought to a model's rate and ears. */

import { InputError } from "./errors.js";
import { type Keys, checkOptions } from "./options.js";

export interface CaptureOptions {
  /** 1: the channels averaged, for one ear; 2: left and right, for two. */
  channels?: number | undefined;
  /**
   * Where `amt-export/capture.worklet.js` is hosted, for pages whose content security policy allows no blob: scripts.
   * Default: a copy inside this package.
   */
  worklet?: string | URL | undefined;
}

const OPTIONS: Keys<CaptureOptions> = { channels: true, worklet: true };

/** Takes what is heard: one array of samples, relative to full scale, for each channel. A port may lead to a worker. */
export type Sink = ((audio: Float32Array[]) => void) | MessagePort;

/**
 * Hand what an audio node plays to a function or a port, in pieces of 256 samples, without sounding it.
 *
 * @throws InputError for an unknown option
 */
export async function capture(
  context: AudioContext,
  node: AudioNode,
  sink: Sink,
  options: CaptureOptions = {},
): Promise<AudioWorkletNode> {
  checkOptions("capture", options, OPTIONS);
  const { channels = 1, worklet } = options;
  await context.audioWorklet.addModule(String(worklet ?? (await workletUrl())));
  const captured = new AudioWorkletNode(context, "amt-export-capture", { processorOptions: { channels } });
  if (typeof sink === "function") {
    captured.port.onmessage = ({ data }: MessageEvent<Float32Array[]>) => sink(data);
    captured.port.postMessage(null);
  } else {
    captured.port.postMessage(null, [sink]);
  }
  // It plays nothing; but what leads nowhere may not be run.
  node.connect(captured).connect(context.destination);
  return captured;
}

export interface Microphone {
  readonly context: AudioContext;
  stop(): Promise<void>;
}

/**
 * Listen to the microphone, without what browsers do to voices, at a sampling rate that the browser resamples to.
 *
 * @throws InputError where the page is not secure, or an option is unknown; DOMException (NotAllowedError, NotFoundError) from the browser
 */
export async function microphone(samplingRate: number, sink: Sink, options: CaptureOptions = {}): Promise<Microphone> {
  checkOptions("microphone", options, OPTIONS); // before the user is asked
  if (!navigator.mediaDevices) throw new InputError("the microphone needs a secure page: https, or localhost");
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const release = (): void => stream.getTracks().forEach((track) => track.stop());
  let context: AudioContext | undefined;
  try {
    context = new AudioContext({ sampleRate: samplingRate });
    await capture(context, new MediaStreamAudioSourceNode(context, { mediaStream: stream }), sink, options);
  } catch (error) {
    release();
    await context?.close();
    throw error;
  }
  const opened = context;
  return {
    context: opened,
    stop: async () => {
      release();
      await opened.close();
    },
  };
}

/**
 * Decode an audio file at a sampling rate; the browser resamples.
 *
 * @param ears 1: the channels averaged; 2: left and right, one channel at both
 * @returns one array for each ear, relative to full scale
 */
export async function decodeAudio(bytes: ArrayBuffer, samplingRate: number, ears = 1): Promise<Float32Array[]> {
  const decoded = await new OfflineAudioContext(1, 1, samplingRate).decodeAudioData(bytes);
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i));
  if (ears > 1) return Array.from({ length: ears }, (_, ear) => channels[Math.min(ear, channels.length - 1)]);
  if (channels.length === 1) return channels;
  return [channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length)];
}

let blob: string | undefined;

/** The worklet as an address of its own, so that no bundler needs to know of it. */
async function workletUrl(): Promise<string> {
  if (!blob) {
    const { WORKLET } = await import("./worklet_source.js");
    blob = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
  }
  return blob;
}
