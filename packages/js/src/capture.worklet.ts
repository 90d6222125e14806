/** The inside of an audio worklet: hands what is heard to a port, in pieces that are worth a message. */

// The DOM library has no types for it.
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(
  name: string,
  processor: new (options: { processorOptions: { channels: number } }) => AudioWorkletProcessor,
): void;

/** Samples of a message: at 16 kHz 16 ms, at 44.1 kHz 6 ms. */
const PIECE = 256;

class Capture extends AudioWorkletProcessor {
  private readonly channels: number;
  private piece: Float32Array[];
  private filled = 0;
  private target: MessagePort | null = null;

  constructor({ processorOptions: { channels } }: { processorOptions: { channels: number } }) {
    super();
    this.channels = channels;
    this.piece = this.fresh();
    this.port.onmessage = (event: MessageEvent) => {
      this.target = event.ports[0] ?? this.port;
    };
  }

  process(inputs: Float32Array[][]): boolean {
    const heard = inputs[0];
    if (!this.target || !heard.length) return true;
    const length = heard[0].length;
    for (let i = 0; i < length; i++) {
      if (this.channels === 1) {
        let sum = 0;
        for (const channel of heard) sum += channel[i];
        this.piece[0][this.filled] = sum / heard.length;
      } else {
        // One channel is heard by all ears.
        for (let c = 0; c < this.channels; c++) this.piece[c][this.filled] = heard[Math.min(c, heard.length - 1)][i];
      }
      this.filled += 1;
      if (this.filled === PIECE) {
        this.target.postMessage(this.piece, this.piece.map((ear) => ear.buffer));
        this.piece = this.fresh();
        this.filled = 0;
      }
    }
    return true;
  }

  private fresh(): Float32Array[] {
    return Array.from({ length: this.channels }, () => new Float32Array(PIECE));
  }
}

registerProcessor("amt-export-capture", Capture);


