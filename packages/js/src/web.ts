/** amt-export in browsers and their workers, with onnxruntime-web. */

import type { Engine } from "./engine.js";
import { BackendError, reasonOf } from "./errors.js";
import { LOAD_OPTIONS, type LoadOptions, type Source, fromFiles, fromUrl, openFolder } from "./load.js";
import type { Model } from "./model.js";
import { type Keys, checkOptions } from "./options.js";

export * from "./core.js";
export { type CaptureOptions, type Microphone, type Sink, capture, decodeAudio, microphone } from "./web_audio.js";

export interface WebOptions extends LoadOptions {
  /** Where ort-wasm-simd-threaded.wasm of the installed onnxruntime-web is hosted; default: where its bundle says. */
  wasm?: string | URL | undefined;
  /** Of WebAssembly; default 1. More need SharedArrayBuffer, and with it the headers of a cross-origin isolated page. */
  threads?: number | undefined;
}

const OPTIONS: Keys<WebOptions> = { ...LOAD_OPTIONS, wasm: true, threads: true };

/**
 * Open a published folder.
 *
 * @param source the folder's address (relative to the page, or in a worker to its script), or its files
 * @throws ArtifactError where it is no such folder
 * @throws BackendError where onnxruntime-web is not installed
 * @throws InputError for an unknown option
 */
export async function load(source: Source, options: WebOptions = {}): Promise<Model> {
  checkOptions("load", options, OPTIONS);
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  const read = typeof source === "string" || source instanceof URL ? fromUrl(source, here) : fromFiles(source);
  return openFolder(read, options.engine ?? (await engine(options)), options);
}

async function engine({ wasm, threads = 1 }: WebOptions): Promise<Engine> {
  try {
    const ort = await import("onnxruntime-web/wasm");
    ort.env.wasm.numThreads = threads;
    if (wasm !== undefined) ort.env.wasm.wasmPaths = { wasm: new URL(wasm, globalThis.location?.href).href };
    return ort;
  } catch (error) {
    throw new BackendError(`onnxruntime-web cannot be loaded (${reasonOf(error)}); npm install onnxruntime-web`);
  }
}
