/** The engines are optional peers, which are not installed to build this package. */

declare module "onnxruntime-node" {
  export const InferenceSession: import("./engine.js").Engine["InferenceSession"];
  export const Tensor: import("./engine.js").Engine["Tensor"];
}

declare module "onnxruntime-web/wasm" {
  export const InferenceSession: import("./engine.js").Engine["InferenceSession"];
  export const Tensor: import("./engine.js").Engine["Tensor"];
  export const env: { wasm: { numThreads?: number; wasmPaths?: string | { wasm: string } } };
}

declare module "node:fs/promises" {
  export function readFile(path: string | URL): Promise<Uint8Array>;
}

declare module "node:path" {
  export function join(...parts: string[]): string;
}

declare module "node:url" {
  export function fileURLToPath(url: string | URL): string;
}
