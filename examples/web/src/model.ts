/** The worker, as the page sees it. */

import type { FromWorker, ToWorker } from "./messages";

type Message<T extends FromWorker["type"]> = Extract<FromWorker, { type: T }>;

export class Model {
  oncolumns: (message: Message<"columns">) => void = () => {};
  onended: () => void = () => {};
  onfailed: (message: string) => void = () => {};

  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private opening: { resolve: (message: Message<"opened">) => void; reject: (error: Error) => void } | null =
    null;
  private readonly calls = new Map<number, (message: Message<"processed">) => void>();
  private signal = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.hear(data);
    this.worker.onerror = (event) => this.hear({ type: "failed", message: event.message });
  }

  open(folder: string): Promise<Message<"opened">> {
    return new Promise((resolve, reject) => {
      this.opening = { resolve, reject };
      this.post({ type: "open", folder });
    });
  }

  /** Start a new signal; what is still to come of the one before is dropped. */
  reset(gain: number): void {
    this.signal += 1;
    this.post({ type: "reset", gain, signal: this.signal });
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
    if (message.type === "opened") this.opening?.resolve(message);
    else if (message.type === "columns") {
      if (message.signal === this.signal) this.oncolumns(message);
    } else if (message.type === "ended") {
      if (message.signal === this.signal) this.onended();
    } else if (message.type === "processed") this.calls.get(message.call)?.(message);
    else if (this.opening) this.opening.reject(new Error(message.message));
    else this.onfailed(message.message);
    if (message.type === "opened" || message.type === "failed") this.opening = null;
  }
}
