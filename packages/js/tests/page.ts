/** What tests/e2e/test_js_package.py builds with Vite and visits: a stream, and the microphone. */

import { type Output, type Outputs, load, microphone, phon } from "amt-export";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

async function main(): Promise<void> {
  const model = await load("model", { wasm, form: "stream" });
  const stream = await model.stream({ onNonfinite: "reset" });
  const outputs: Outputs = await stream.push(new Float32Array(1000));
  const { subbands }: { subbands?: Output } = outputs;
  const rest = await stream.flush();
  const total = (subbands?.dims[1] ?? 0) + (rest["subbands"]?.dims[1] ?? 0);
  let heard = 0;
  const mic = await microphone(model.samplingRate, ([ear]) => (heard += ear?.length ?? 0));
  while (heard < 1000) await new Promise((resolve) => setTimeout(resolve, 20));
  await mic.stop();
  document.title = `${total} ${model.calibration({ fullScale: 80 }).words} ${phon(1).toFixed(2)}`;
}

main().catch((error: unknown) => (document.title = String(error)));
