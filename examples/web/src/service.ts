/** A model on another machine: examples/service, over a WebSocket. */

import type { View } from "./columns";
import { type Drawn, type Engine, Left } from "./engine";
import { type Hello, readHello, viewOf } from "./hello";

/** Seconds after which a service that has not answered is given up. */
const PATIENCE = 10;

/** Seconds of audio in a message: fewer would be mostly overhead, more would wait too long for their answer. */
const LEAST = 0.05;
const MOST = 1;

/** Bytes of a sample. */
const FLOAT = 4;

const CODES: Record<number, string> = {
  1007: "refused the sound",
  1009: "refused a message that is too long",
};
const TRY_LATER = 1013;

interface Waiting {
  resolve: (data: unknown) => void;
  reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

/**
 * Each signal has a connection of its own, from its first samples to its end, so that a page that is only looked at
 * takes no place on the server. One message is on its way at a time; what comes meanwhile goes with the next one, so
 * that no more than two of them can be behind.
 */
export class Service implements Engine {
  readonly mended = 0;
  busy = 0;
  private socket: WebSocket | null = null;
  private waiting: Waiting | null = null;
  private text = "";
  private hello: Hello | null = null;
  private readonly host: string;

  /**
   * @param address ws://host:port/path
   * @param onlost called if the connection ends while no answer is due
   */
  constructor(
    private readonly address: string,
    private readonly onlost: (error: Error) => void,
  ) {
    this.host = new URL(address).host;
  }

  /** Ask the service what it gives. */
  async open(): Promise<{ hello: Hello; view: View }> {
    this.text = await this.connect();
    const hello = readHello(this.text, this.host);
    const view = viewOf(hello, this.host);
    this.hello = hello;
    this.leave();
    return { hello, view };
  }

  get samplingRate(): number {
    return this.hello!.sampling_rate;
  }

  get least(): number {
    return LEAST * this.samplingRate;
  }

  get most(): number {
    const { ears, message_bytes: bytes, sampling_rate: fs } = this.hello!;
    return Math.min(MOST * fs, Math.floor(bytes / (FLOAT * ears)));
  }

  async start(): Promise<void> {
    this.leave();
    this.busy = 0;
  }

  async push(audio: Float32Array[]): Promise<Drawn> {
    if (!this.socket && (await this.connect()) !== this.text) {
      this.leave();
      throw new Error(`The service at ${this.host} has changed; choose "A service…" again.`);
    }
    const ears = audio.length;
    const message = new Float32Array(ears * audio[0].length);
    audio.forEach((ear, i) => ear.forEach((sample, t) => (message[ears * t + i] = sample)));
    const sent = performance.now();
    const frames = await this.ask(message);
    this.busy += (performance.now() - sent) / 1000;
    return this.drawn(frames);
  }

  async flush(): Promise<Drawn> {
    const frames = this.socket ? await this.ask("end") : new ArrayBuffer(0);
    this.leave();
    return this.drawn(frames);
  }

  leave(): void {
    this.drop(new Left());
  }

  async close(): Promise<void> {
    this.leave();
  }

  /** Open a connection; return the text with which the service introduces itself. */
  private async connect(): Promise<string> {
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.address);
    } catch {
      throw new Error(`This browser does not connect to ${this.address}; a page over https needs a wss:// address.`);
    }
    socket.binaryType = "arraybuffer";
    let introduced = false;
    socket.onmessage = ({ data }) => {
      introduced = true;
      if (this.waiting) this.settle().resolve(data);
      else this.lose(new Error(`The service at ${this.host} sent more than was asked for.`));
    };
    socket.onclose = ({ code, reason }) => this.lose(new Error(this.farewell(code, reason, introduced)));
    this.socket = socket;
    return String(await this.answer());
  }

  private farewell(code: number, reason: string, introduced: boolean): string {
    const { host } = this;
    if (code === TRY_LATER) return `All places of the service at ${host} are taken; try again later.`;
    if (!introduced && !reason) return `Cannot connect to ${this.address}: no service answers there; check the address, or choose another model.`;
    if (CODES[code]) return `The service at ${host} ${CODES[code]}${reason && `: ${reason}`}.`;
    if (reason) return `The service at ${host} has closed the connection: ${reason}.`;
    return `The connection to ${host} was lost; start again, or choose another model.`;
  }

  private async ask(message: string | Float32Array<ArrayBuffer>): Promise<ArrayBuffer> {
    const answer = this.answer();
    this.socket!.send(message);
    const frames = await answer;
    if (frames instanceof ArrayBuffer && frames.byteLength % (FLOAT * this.hello!.columns.length) === 0) return frames;
    this.leave();
    throw new Error(`The service at ${this.host} sent frames of a wrong length.`);
  }

  private answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const late = new Error(
        `The service at ${this.host} has not answered for ${PATIENCE} s; start again, or choose another model.`,
      );
      const timer = setTimeout(() => this.lose(late), 1000 * PATIENCE);
      this.waiting = { resolve, reject, timer };
    });
  }

  private settle(): Waiting {
    const waiting = this.waiting!;
    clearTimeout(waiting.timer);
    this.waiting = null;
    return waiting;
  }

  private lose(error: Error): void {
    if (!this.drop(error)) this.onlost(error);
  }

  /** Close the connection; tell whoever waits for an answer, and return whether anybody did. */
  private drop(error: Error): boolean {
    if (this.socket) {
      this.socket.onmessage = this.socket.onclose = null;
      this.socket.close();
    }
    this.socket = null;
    const told = this.waiting !== null;
    if (told) this.settle().reject(error);
    return told;
  }

  private drawn(answer: ArrayBuffer): Drawn {
    // Little endian, as every machine that runs a browser is.
    const frames = new Float32Array(answer);
    const { quantity, columns, hop } = this.hello!;
    if (quantity === "level") return { columns: frames, loudness: null };
    const column = (at: number): Float32Array => frames.filter((_, i) => i % columns.length === at);
    return { columns: new Float32Array(0), loudness: { short: column(0), long: column(1), seconds: hop } };
  }
}
