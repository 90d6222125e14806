/** The address of a service: typed, or in the page's own address as ?service=ws://host:port/stream. */

import { element, write } from "./page";

/** Where the last one that was typed is kept. It is offered again, but never used unasked: sound goes there. */
const KEY = "amt-export.service";

export class AddressField {
  onconnect: () => void = () => {};
  private readonly form = element<HTMLFormElement>("service");
  private readonly input = element<HTMLInputElement>("address");
  private readonly claim = element("claim").textContent ?? "";
  /** Of the page's own address. */
  readonly given = new URLSearchParams(location.search).get("service");

  constructor() {
    this.input.value = this.given ?? kept();
    this.form.onsubmit = (event) => {
      event.preventDefault();
      keep(this.input.value.trim());
      this.onconnect();
    };
  }

  get empty(): boolean {
    return !this.input.value.trim();
  }

  /** Show the field, and where the sound goes; or hide it. */
  show(on: boolean): void {
    this.form.hidden = !on;
    write("claim", on ? "Cochleagrams and loudness, computed by a service." : this.claim);
    if (on && this.empty) this.input.focus();
  }

  /** @throws Error for what is no address */
  read(): string {
    const address = addressOf(this.input.value.trim());
    this.input.value = address;
    write("claim", `Cochleagrams and loudness, computed by a service: the sound goes to ${address}.`);
    return address;
  }
}

/** Complete what one would type: localhost:8000 is ws://localhost:8000/stream. */
function addressOf(text: string): string {
  const usual = location.protocol === "https:" ? "wss://" : "ws://";
  const whole = /^[a-z]+:\/\//i.test(text) ? text.replace(/^http/i, "ws") : usual + text;
  let url: URL;
  try {
    url = new URL(whole);
  } catch {
    throw new Error(`“${text}” is not the address of a service; one looks like ws://localhost:8000/stream.`);
  }
  if (!/^wss?:$/.test(url.protocol)) {
    throw new Error(`The address of a service begins with ws:// or wss://, not ${url.protocol}//.`);
  }
  if (url.pathname === "/") url.pathname = "/stream";
  url.hash = "";
  return url.href;
}

function kept(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // storage may be forbidden
  }
}

function keep(address: string): void {
  try {
    localStorage.setItem(KEY, address);
  } catch {
    // It is typed again, then.
  }
}
