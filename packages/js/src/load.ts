/** Open a published folder, wherever its files are. */

import type { Engine } from "./engine.js";
import { ArtifactError, reasonOf } from "./errors.js";
import { onnxFile, parseManifest } from "./manifest.js";
import { Model, type ModelOptions } from "./model.js";
import type { Keys } from "./options.js";

/** Files of a published folder by name, `manifest.json` among them. */
export type Files = Record<string, Blob | ArrayBuffer | Uint8Array>;

/**
 * Where a published folder is: its address, or its files; in Node also its path. `FileList` is what
 * `<input type="file" webkitdirectory>` gives.
 */
export type Source = string | URL | Files | Iterable<File>;

export interface LoadOptions extends ModelOptions {
  /** ONNX Runtime. Default: onnxruntime-node in Node, onnxruntime-web/wasm elsewhere. */
  engine?: Engine | undefined;
  /** Compare size and SHA-256 of a file with the manifest before it is opened; default true. */
  verify?: boolean | undefined;
}

export const LOAD_OPTIONS: Keys<LoadOptions> = { form: true, session: true, engine: true, verify: true };

/** Gives the bytes of a file of the folder. */
export type Reader = (name: string) => Promise<Uint8Array>;

/** Read the manifest; the ONNX files are read when they are first needed. */
export async function openFolder(read: Reader, engine: Engine, options: LoadOptions): Promise<Model> {
  const manifest = parseManifest(new TextDecoder().decode(await read("manifest.json")), "manifest.json");
  const model = async (form: "whole" | "stream"): Promise<Uint8Array> => {
    const entry = onnxFile(manifest, form);
    const bytes = await read(entry.path);
    if ((options.verify ?? true) && !(await isPublished(bytes, entry.bytes, entry.sha256))) {
      throw new ArtifactError(`${entry.path}: is not the file that was published; copy it again`);
    }
    return bytes;
  };
  return new Model(manifest, engine, model, options);
}

/** Where a browser cannot hash (plain http), the size has to do. */
async function isPublished(bytes: Uint8Array, size: number, sha256: string): Promise<boolean> {
  if (bytes.length !== size) return false;
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

/** Read from an address, with `fetch`. */
export function fromUrl(source: string | URL, base?: string): Reader {
  const folder = new URL(source, base);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  return async (name) => {
    const url = new URL(name, folder);
    let response: Response;
    try {
      response = await fetch(url);
    } catch (error) {
      throw new ArtifactError(`${url}: cannot be read (${reasonOf(error)})`);
    }
    if (!response.ok) throw new ArtifactError(`${url}: cannot be read (${response.status})`);
    return new Uint8Array(await response.arrayBuffer());
  };
}

/** Read from files that are there already. */
export function fromFiles(source: Files | Iterable<File>): Reader {
  const files = Symbol.iterator in source ? Object.fromEntries([...source].map((file) => [file.name, file])) : source;
  return async (name) => {
    const file = Object.hasOwn(files, name) ? files[name] : undefined;
    if (!file) throw new ArtifactError(`${name}: is not among the files; give manifest.json and the ONNX files of one model`);
    if (file instanceof Uint8Array) return file;
    return new Uint8Array(file instanceof Blob ? await file.arrayBuffer() : file);
  };
}
