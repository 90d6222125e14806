// Run one ONNX file in onnxruntime-web on one set of inputs; `run_engine.py` writes and reads the files.
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'

const require = createRequire(path.join(process.env.NODE_PACKAGES, 'package.json'))
const ort = require('onnxruntime-web')

const { model, folder, inputs, outputs } = JSON.parse(process.argv[2])
ort.env.wasm.numThreads = 1
const session = await ort.InferenceSession.create(fs.readFileSync(model), { executionProviders: ['wasm'] })
const given = {}
inputs.forEach(({ name, dims }, index) => {
  const bytes = fs.readFileSync(path.join(folder, `input${index}.bin`))
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  given[name] = new ort.Tensor('float32', values, dims)
})
const found = await session.run(given)
outputs.forEach((name, index) => {
  const { data } = found[name]
  fs.writeFileSync(
    path.join(folder, `output${index}.bin`),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  )
})
console.log(JSON.stringify(outputs.map((name) => found[name].dims)))
