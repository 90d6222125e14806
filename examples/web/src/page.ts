/** The elements of the page, and words in them. */

export function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function write(id: string, text: string): void {
  element(id).textContent = text;
}

/** Say what happens; read out by screen readers. */
export function say(text: string, bad = false): void {
  const status = element("status");
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

/** Say what went wrong, in plain words where the browser has none. */
export function complain(error: unknown): void {
  const reasons: Record<string, string> = {
    NotAllowedError: "The browser did not allow the microphone.",
    NotFoundError: "There is no microphone.",
    EncodingError: "This is no audio file that the browser can read.",
    NotSupportedError: "This browser cannot bring its audio to the model's sampling rate.",
  };
  const { name, message } = error as Error;
  const text = reasons[name] ?? message;
  // What begins with a name stays as it is.
  say(text.replace(/^[a-z]+ /, (word) => word.charAt(0).toUpperCase() + word.slice(1)) + (/[.!?…]$/.test(text) ? "" : "."), true);
}
