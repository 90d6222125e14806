/** What the visits to the built page share: a server for it, and headless Chromium. */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const dist = join(dirname(fileURLToPath(import.meta.url)), "../dist");

/** $CHROMIUM, or where Debian has it. */
export const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A microphone that beeps, and nobody to be asked.
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".wav": "audio/wav",
};

/** The plainest server there is: what works from it works from anywhere. */
export async function serve() {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://x").pathname).replace(/\/$/, "/index.html");
    try {
      const body = readFileSync(join(dist, path));
      response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

export function address(server) {
  return `http://127.0.0.1:${server.address().port}/`;
}

/** Share of the picture's pixels that are brighter than its darkest colour, and how many colours there are. */
export function pixels(page) {
  return page.evaluate(async () => {
    // What was told to the page is drawn in its next frame.
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
    const canvas = document.getElementById("picture");
    const context = canvas.getContext("2d");
    // Well within the axes.
    const { data } = context.getImageData(60, 30, canvas.width - 150, canvas.height - 80);
    const colours = new Set();
    let bright = 0;
    for (let i = 0; i < data.length; i += 4) {
      colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      bright += data[i] > 60;
    }
    return { bright: bright / (data.length / 4), colours: colours.size };
  });
}
