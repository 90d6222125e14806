/**
 * What tests/e2e/test_js_package.py runs in an empty Node project: one task, JSON on standard input, JSON out.
 */

import { readFileSync, writeFileSync } from "node:fs";
import {
  calibration,
  excerpts,
  frameLevels,
  load,
  phon,
  readNpz,
  vectorsFromJson,
  vectorsToJson,
} from "amt-export";
import * as web from "amt-export/web";

const read = (path) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

/** Write each output to a file; tell its shape and unit. */
function save(outputs, folder) {
  const told = {};
  for (const [name, { data, dims, unit }] of Object.entries(outputs)) {
    writeFileSync(`${folder}/${name}.f32`, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    told[name] = { dims, unit };
  }
  return told;
}

async function messageOf(work) {
  try {
    await work();
    return null;
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

const tasks = {
  async process({ folder, audio, out, form }) {
    const model = await load(folder, { form });
    const all = read(audio);
    const samples = all.length / model.ears;
    const signal = Array.from({ length: model.ears }, (_, ear) =>
      all.slice(ear * samples, (ear + 1) * samples),
    );
    return save(await model.process(signal), out);
  },

  async pieces({ folder, audio, out, pieces }) {
    const stream = await (await load(folder)).stream();
    const all = read(audio);
    await stream.push(all.subarray(0, 777));
    await stream.reset();
    const answers = [];
    for (let at = 0, i = 0; at < all.length; i++) {
      const stop = at + pieces[i % pieces.length];
      answers.push(stream.push(all.subarray(at, stop))); // not awaited: in turn
      at = stop;
    }
    answers.push(stream.flush());
    const [name] = Object.keys(await answers[0]);
    const parts = (await Promise.all(answers)).map((answer) => answer[name]);
    const [channels] = parts[0].dims;
    const total = parts.reduce((sum, { dims }) => sum + dims[1], 0);
    const data = new Float32Array(channels * total);
    let at = 0;
    for (const { data: part, dims } of parts) {
      const width = dims[1];
      for (let channel = 0; channel < channels; channel++) {
        data.set(part.subarray(channel * width, (channel + 1) * width), channel * total + at);
      }
      at += width;
    }
    return save({ [name]: { data, dims: [channels, total], unit: parts[0].unit } }, out);
  },

  async nonfinite({ folder }) {
    const model = await load(folder);
    const good = new Float32Array(600).fill(0.1);
    const bad = good.with(321, NaN);
    const huge = new Float32Array(600).fill(3e38);
    const strict = await model.stream();
    await strict.push(good);
    const refused = await messageOf(() => strict.push(bad));
    const [name] = Object.keys(await strict.push(good)); // as if nothing had been
    const tooLoud = await messageOf(() => strict.push(huge));
    const broken = await messageOf(() => strict.push(good));
    await strict.reset();
    const mended = (await strict.push(good))[name].data.every(Number.isFinite);
    const lenient = await model.stream({ onNonfinite: "reset" });
    await lenient.push(bad);
    const after = (await lenient.push(good))[name].data.every(Number.isFinite);
    return {
      ...{ refused, tooLoud, broken, mended, after, resets: lenient.resets },
      whole: await messageOf(() => model.process(bad)),
      ears: await messageOf(() => model.process([good, good])),
      types: await Promise.all(
        [[1, 2], [], Int16Array.of(1), Float64Array.of(1), [[1], [2]], "a.wav", undefined].map((audio) =>
          messageOf(() => model.process(audio)),
        ),
      ),
      choices: await Promise.all([
        messageOf(() => load(folder, { form: "streem" })),
        messageOf(() => model.process(good, { onNonfinite: "reset" })),
        messageOf(() => model.stream({ onNonfinite: "ignore" })),
      ]),
    };
  },

  /** Every function that takes options, and what it says to wrong ones. */
  async options({ folder, given }) {
    const model = await load(folder);
    const silence = new Float32Array(10);
    const functions = {
      load: (options) => load(folder, options),
      "load in browsers": (options) => web.load({}, options),
      calibration: (options) => calibration(model.manifest, options),
      "model.calibration": (options) => model.calibration(options),
      process: (options) => model.process(silence, options),
      stream: (options) => model.stream(options),
      capture: (options) => web.capture(null, null, () => {}, options),
      microphone: (options) => web.microphone(16000, () => {}, options),
    };
    return Promise.all(given.map(([name, options]) => messageOf(() => functions[name](options))));
  },

  async verify({ folder }) {
    const model = await load(folder);
    const vectors = await readNpz(readFileSync(`${folder}/vectors.npz`));
    const json = JSON.stringify(vectorsToJson(excerpts(model.manifest, vectors)));
    const short = vectorsFromJson(JSON.parse(json));
    const [whole, part] = [await model.verify(vectors), await model.verify(short)];
    const { data } = short[Object.keys(short).find((key) => key.startsWith("out.noise"))];
    data[data.length >> 1] += 1;
    return { whole, part, damaged: (await model.verify(short)).ok };
  },

  async refused({ folder, damaged }) {
    const bytes = (name) => new Uint8Array(readFileSync(`${folder}/${name}`));
    const json = (value) => new TextEncoder().encode(JSON.stringify(value));
    const files = { "manifest.json": bytes("manifest.json"), [damaged]: bytes(damaged) };
    const stream = (source) => messageOf(async () => (await load(source)).stream());
    const good = await stream(files);
    const climbing = JSON.parse(new TextDecoder().decode(files["manifest.json"]));
    for (const file of climbing.files) file.path = `../${file.path}`;
    const altered = bytes(damaged);
    altered[1000] ^= 1;
    return {
      good,
      altered: await stream({ ...files, [damaged]: altered }),
      none: await messageOf(() => load("/no/such/folder")),
      schema: await messageOf(() => load({ "manifest.json": json({ schema: 3 }) })),
      up: await stream({ ...files, "manifest.json": json(climbing) }),
    };
  },

  async numbers({ sones, manifests, subbands, hop }) {
    const output = { data: read(subbands), dims: [2, 1000], axes: ["channel", "time"], unit: "Pa" };
    const gains = [];
    for (const [manifest, options] of manifests) {
      let gain = null;
      const error = await messageOf(() => ({ gain } = calibration(manifest, options)));
      gains.push(gain ?? error);
    }
    return { phon: sones.map(phon), levels: [...frameLevels(output, hop).data], gains };
  },
};

const { task, ...given } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await tasks[task](given)));
