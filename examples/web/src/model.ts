/** The worker, as the page sees it. */

import type { FromWorker, ToWorker } from "./messages";

type Message<T extends FromWorker["type"]> = Extract<FromWorker, { type: T }>;

export type Opened = Message<"opened"> | Message<"connected">;

export class Model {
  oncolumns: (message: Message<"columns">) => void = () => {};
  onended: () => void = () => {};
  onfailed: (message: string) => void = () => {};

  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private opening: { call: number; resolve: (message: Opened) => void; reject: (error: Error) => void } | null =
    null;
  private openings = 0;
  private readonly calls = new Map<number, (message: Message<"processed">) => void>();
  private signal = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.hear(data);
    this.worker.onerror = (event) => this.hear({ type: "failed", message: event.message, call: null });
  }

  open(folder: string): Promise<Opened> {
    return this.opened((call) => ({ type: "open", folder, call }));
  }

  /** Let a service compute. */
  connect(address: string): Promise<Opened> {
    return this.opened((call) => ({ type: "connect", address, call }));
  }

  /** Only the last call is answered. */
  private opened(message: (call: number) => ToWorker): Promise<Opened> {
    const call = ++this.openings;
    return new Promise((resolve, reject) => {
      this.opening = { call, resolve, reject };
      this.post(message(call));
    });
  }

  /** Start a new signal; what is still to come of the one before is dropped. */
  reset(gain: number): void {
    this.signal += 1;
    this.post({ type: "reset", gain, signal: this.signal });
  }

  /** Nothing more is heard: of a signal without an end. */
  leave(): void {
    this.reset(1);
  }

  /** A port that takes audio at the model's rate, for each ear one array. */
  port(live: boolean): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.post({ type: "listen", port: port1, live }, [port1]);
    return port2;
  }

  /** The recording is over; `onended` is called when all of it was drawn. */
  end(): void {
    this.post({ type: "end", signal: this.signal });
  }

  /** Run a whole signal (in the model's unit) as fast as it goes: the first output. */
  process(audio: Float32Array[]): Promise<Message<"processed">> {
    const call = this.calls.size;
    return new Promise((resolve) => {
      this.calls.set(call, resolve);
      this.post({ type: "process", audio, call });
    });
  }

  private post(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private hear(message: FromWorker): void {
    if (message.type === "columns") {
      if (message.signal === this.signal) this.oncolumns(message);
    } else if (message.type === "ended") {
      if (message.signal === this.signal) this.onended();
    } else if (message.type === "processed") this.calls.get(message.call)?.(message);
    else if (message.type === "failed" && (message.call === null)) {
      // The worker itself may have failed to load.
      if (this.opening) this.opening.reject(new Error(message.message));
      else this.onfailed(message.message);
      this.opening = null;
    } else if (message.call === this.opening?.call) {
      if (message.type === "failed") this.opening.reject(new Error(message.message));
      else this.opening.resolve(message);
      this.opening = null;
    }
  }
}
