/** Where sound comes from, at the model's sampling rate: a file, the sample, or the microphone. */

import { capture, microphone } from "amt-export";

/** Seconds of fading, so that pausing does not click. */
const FADE = 0.02;

export class Source {
  onended: () => void = () => {};

  private constructor(
    private readonly context: AudioContext,
    private readonly speaker: GainNode,
    private readonly stopping: () => Promise<void> | void,
  ) {}

  /** Play a recording, and hand it to the worker as it is heard. */
  static async recording(audio: Float32Array[], fs: number, port: MessagePort, loud: boolean): Promise<Source> {
    const context = new AudioContext({ sampleRate: fs });
    const buffer = context.createBuffer(audio.length, audio[0].length, fs);
    audio.forEach((ear, i) => buffer.copyToChannel(ear as Float32Array<ArrayBuffer>, i));
    const player = new AudioBufferSourceNode(context, { buffer });
    const speaker = new GainNode(context, { gain: loud ? 1 : 0 });
    player.connect(speaker).connect(context.destination);
    const source = new Source(context, speaker, () => player.stop());
    await capture(context, player, port, { channels: audio.length });
    player.onended = () => source.onended();
    player.start();
    return source;
  }

  /** Listen to the microphone; one channel is heard by both ears. */
  static async microphone(fs: number, ears: number, port: MessagePort): Promise<Source> {
    const { context, stop } = await microphone(fs, port, { channels: ears });
    return new Source(context, new GainNode(context), stop);
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
    await this.stopping();
    if (this.context.state !== "closed") await this.context.close();
  }
}
