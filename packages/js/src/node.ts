/** amt-export in Node, with onnxruntime-node. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "./engine.js";
import { ArtifactError, BackendError, reasonOf } from "./errors.js";
import { LOAD_OPTIONS, type LoadOptions, type Reader, type Source, fromFiles, fromUrl, openFolder } from "./load.js";
import type { Model } from "./model.js";
import { checkOptions } from "./options.js";

export * from "./core.js";

/**
 * Open a published folder.
 *
 * @param source the folder's path, its address (file: or https:), or its files by name
 * @throws ArtifactError where it is no such folder
 * @throws BackendError where onnxruntime-node is not installed
 * @throws InputError for an unknown option
 */
export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  checkOptions("load in Node", options, LOAD_OPTIONS);
  return openFolder(readerOf(source), options.engine ?? (await engine()), options);
}

function readerOf(source: Source): Reader {
  if (source instanceof URL || (typeof source === "string" && /^(https?|file):/.test(source))) {
    const url = new URL(source);
    return url.protocol === "file:" ? fromPath(fileURLToPath(url)) : fromUrl(url);
  }
  return typeof source === "string" ? fromPath(source) : fromFiles(source);
}

function fromPath(folder: string): Reader {
  return async (name) => {
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      throw new ArtifactError(`${join(folder, name)}: cannot be read (${reasonOf(error)}); give the folder that amt-export build published`);
    }
  };
}

async function engine(): Promise<Engine> {
  try {
    return await import("onnxruntime-node");
  } catch (error) {
    throw new BackendError(`onnxruntime-node cannot be loaded (${reasonOf(error)}); npm install onnxruntime-node`);
  }
}
