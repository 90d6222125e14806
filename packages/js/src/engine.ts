/** ONNX Runtime, seen through the little of it that is used: onnxruntime-web and onnxruntime-node both fit. */

import { type NdArray, product } from "./arrays.js";
import { ArtifactError, reasonOf } from "./errors.js";
import { type Manifest, type Port, type State, sized } from "./manifest.js";

export interface EngineSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, never>): Promise<Record<string, { readonly data: unknown; readonly dims: readonly number[] }>>;
  release(): Promise<void>;
}

/** What `import * as ort from "onnxruntime-web/wasm"` gives. */
export interface Engine {
  readonly InferenceSession: { create(model: Uint8Array, options?: object): Promise<EngineSession> };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => object;
}

/** Inputs and outputs of a form, as the manifest describes them. */
export interface Ports {
  inputs: readonly (Port | State)[];
  outputs: readonly (Port | State)[];
}

/** One opened ONNX file. Runs that are asked for at the same time happen one after the other. */
export class Session {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly engine: Engine,
    private readonly session: EngineSession,
    private readonly outputs: Map<string, number>,
  ) {}

  /**
   * @throws ArtifactError where the engine cannot open the file, or it has other ports than the manifest says
   */
  static async open(engine: Engine, bytes: Uint8Array, options: object, manifest: Manifest, ports: Ports): Promise<Session> {
    let session: EngineSession;
    try {
      session = await engine.InferenceSession.create(bytes, options);
    } catch (error) {
      throw new ArtifactError(`${manifest.name}: ONNX Runtime cannot open it (${reasonOf(error)}); build the model again`);
    }
    const names = [ports.inputs.map((port) => nameOf(port, "input")), ports.outputs.map((port) => nameOf(port, "output"))];
    const found = [session.inputNames, session.outputNames];
    if (names.some((expected, i) => [...expected].sort().join() !== [...found[i]].sort().join())) {
      throw new ArtifactError(`${manifest.name}: the ONNX file and the manifest name different inputs or outputs; build the model again`);
    }
    const outputs = ports.outputs.map((port) => [nameOf(port, "output"), product(sized(port.shape))] as const);
    return new Session(engine, session, new Map(outputs));
  }

  run(inputs: Record<string, NdArray>): Promise<Record<string, NdArray>> {
    const answer = this.last.then(async () => {
      const feeds: Record<string, object> = {};
      for (const [name, { data, dims }] of Object.entries(inputs)) feeds[name] = new this.engine.Tensor("float32", data, dims);
      const found = await this.session.run(feeds as Record<string, never>);
      const outputs: Record<string, NdArray> = {};
      for (const [name, size] of this.outputs) {
        const { data, dims } = found[name];
        if (!(data instanceof Float32Array) || data.length !== size) {
          throw new ArtifactError(`${name}: the ONNX file gives another shape than the manifest says; build the model again`);
        }
        outputs[name] = { data, dims };
      }
      return outputs;
    });
    this.last = answer.catch(() => {});
    return answer;
  }

  async close(): Promise<void> {
    await this.last;
    await this.session.release();
  }
}

function nameOf(port: Port | State, side: "input" | "output"): string {
  return "name" in port ? port.name : port[side];
}
