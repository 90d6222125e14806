/** Hands what is heard to the worker, in pieces that are worth a message. */

// The DOM library has no types for the inside of an audio worklet.
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** Samples a message, a block of most models: at 16 kHz 16 ms, at 44.1 kHz 6 ms. */
const PIECE = 256;

class Capture extends AudioWorkletProcessor {
  private piece = new Float32Array(PIECE);
  private filled = 0;
  private target: MessagePort | null = null;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent) => {
      this.target = event.ports[0];
    };
  }

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0];
    if (!this.target || !channels.length) return true;
    const length = channels[0].length; // 128 everywhere so far, and divides PIECE
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.piece[this.filled++] = sum / channels.length;
      if (this.filled === PIECE) {
        this.target.postMessage(this.piece, [this.piece.buffer]);
        this.piece = new Float32Array(PIECE);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
