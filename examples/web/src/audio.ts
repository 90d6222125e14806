/** Where sound comes from, at the model's sampling rate: a file, the sample, or the microphone. */

import captureUrl from "./capture.worklet?worker&url";

/** Seconds of fading, so that pausing does not click. */
const FADE = 0.02;

export class Source {
  onended: () => void = () => {};

  private constructor(
    private readonly context: AudioContext,
    private readonly speaker: GainNode,
    private readonly stopping: () => void,
  ) {}

  /** Decode a file; the browser resamples it. Channels are averaged, as the model has one ear. */
  static async decode(bytes: ArrayBuffer, fs: number): Promise<AudioBuffer> {
    const context = new OfflineAudioContext(1, 1, fs);
    const decoded = await context.decodeAudioData(bytes);
    const { numberOfChannels, length } = decoded;
    if (numberOfChannels === 1) return decoded;
    const mono = context.createBuffer(1, length, fs);
    const mixed = mono.getChannelData(0);
    for (let channel = 0; channel < numberOfChannels; channel++) {
      decoded.getChannelData(channel).forEach((sample, i) => {
        mixed[i] += sample / numberOfChannels;
      });
    }
    return mono;
  }

  /** Play a recording, and hand it to the worker as it is heard. */
  static async recording(audio: AudioBuffer, port: MessagePort, loud: boolean): Promise<Source> {
    const context = new AudioContext({ sampleRate: audio.sampleRate });
    const player = new AudioBufferSourceNode(context, { buffer: audio });
    const speaker = new GainNode(context, { gain: loud ? 1 : 0 });
    player.connect(speaker).connect(context.destination);
    const source = new Source(context, speaker, () => player.stop());
    await listen(context, player, port);
    player.onended = () => source.onended();
    player.start();
    return source;
  }

  /** Listen to the microphone, without what browsers do to voices. */
  static async microphone(fs: number, port: MessagePort): Promise<Source> {
    if (!navigator.mediaDevices) throw new Error("The microphone needs a secure page (https or localhost).");
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const release = (): void => stream.getTracks().forEach((track) => track.stop());
    try {
      const context = new AudioContext({ sampleRate: fs });
      const source = new Source(context, new GainNode(context), release);
      await listen(context, new MediaStreamAudioSourceNode(context, { mediaStream: stream }), port);
      return source;
    } catch (error) {
      release();
      throw error;
    }
  }

  get paused(): boolean {
    return this.context.state !== "running";
  }

  setLoud(loud: boolean): void {
    this.speaker.gain.setTargetAtTime(loud ? 1 : 0, this.context.currentTime, FADE);
  }

  pause(): Promise<void> {
    return this.context.suspend();
  }

  resume(): Promise<void> {
    return this.context.resume();
  }

  async close(): Promise<void> {
    this.onended = () => {};
    this.stopping();
    await this.context.close();
  }
}

/** Send what a node plays to the worker. */
async function listen(context: AudioContext, node: AudioNode, port: MessagePort): Promise<void> {
  await context.audioWorklet.addModule(captureUrl);
  const capture = new AudioWorkletNode(context, "capture");
  capture.port.postMessage(null, [port]);
  // It plays nothing; but what leads nowhere may not be run.
  node.connect(capture).connect(context.destination);
}
