/** What `manifest.json` says, as far as this page needs it, and whether the page can draw it. */

export interface Port {
  name: string;
  shape: number[];
  dtype: string;
  unit: string;
  axes: string[];
}

export interface State {
  input: string;
  output: string;
  shape: number[];
  dtype: string;
  initial: number;
  meaning: string;
}

export interface Manifest {
  schema: number;
  name: string;
  module: string;
  description: string;
  sampling_rate: number;
  centre_frequencies: number[];
  stream: {
    block: number;
    latency: number;
    skip: number;
    states: State[];
    inputs: Port[];
    outputs: Port[];
  };
  files: { path: string; format: string; form: string; bytes: number; sha256: string }[];
  parity: { format: string; form: string; output: string; tolerance: number }[];
}

/** The layouts of manifests that this page reads: what it needs is the same in both. */
const SCHEMAS = [1, 2];

/** Read a manifest; throw an error of one line for what cannot be drawn. */
export function readManifest(text: string): Manifest {
  const manifest = JSON.parse(text) as Manifest;
  const { name, stream } = manifest;
  if (!SCHEMAS.includes(manifest.schema)) {
    throw new Error(`The manifest's schema is ${manifest.schema}; this page reads ${SCHEMAS.join(" and ")}.`);
  }
  // The batch of an artifact may be free, null in its shapes; here it is one signal.
  for (const owner of [...(stream?.inputs ?? []), ...(stream?.outputs ?? []), ...(stream?.states ?? [])]) {
    owner.shape = owner.shape.map((size) => size ?? 1);
  }
  if (!stream) throw new Error(`${name} has no streaming form; build it with a [stream] block.`);
  const [input] = stream.inputs;
  const [output] = stream.outputs;
  const drawable =
    stream.inputs.length === 1 &&
    input.axes.join() === "batch,time" &&
    input.shape[0] === 1 &&
    output.axes.join() === "batch,channel,time" &&
    output.shape[1] === manifest.centre_frequencies.length;
  if (!drawable) throw new Error(`${name} is no filterbank of one signal; this page cannot draw it.`);
  return manifest;
}

/** The streaming ONNX file among the published ones. */
export function streamFile(manifest: Manifest): Manifest["files"][number] {
  const file = manifest.files.find((f) => f.format === "onnx" && f.form === "stream");
  if (!file) throw new Error(`${manifest.name}: no streaming ONNX file was published.`);
  return file;
}

/**
 * What float32 here may differ from the float64 vectors: the tolerance of the file against eager float32,
 * and that of float32 against float64, as `amt-export check` allows.
 */
export function allowed(manifest: Manifest): number {
  const of = (format: string): number =>
    manifest.parity.find((row) => row.format === format && row.form === "stream")?.tolerance ?? 0;
  return of("onnx") + (of("float64") || of("reference"));
}
