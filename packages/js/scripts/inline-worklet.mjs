/** Write the compiled audio worklet as a string into the package, so that no bundler needs to know of it. */

import { readFileSync, writeFileSync } from "node:fs";

const dist = new URL("../dist/", import.meta.url);
const code = readFileSync(new URL("capture.worklet.js", dist), "utf8");
writeFileSync(new URL("worklet_source.js", dist), `export const WORKLET = ${JSON.stringify(code)};\n`);
