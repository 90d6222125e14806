#!/usr/bin/env node
/**
 * Visit the built page in headless Chromium, press what there is to press, and report what was seen.
 *
 *     node tests/e2e.mjs OUT
 *
 * Per model, OUT gets <name>.audio.f32 and <name>.output.f32: the first second of the sample as the model got it, ear
 * by ear, and its first output. Standard output is one JSON object. Chromium is $CHROMIUM, or /usr/bin/chromium.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const out = process.argv[2];
if (!out) throw new Error("usage: node tests/e2e.mjs OUT");
mkdirSync(out, { recursive: true });

const dist = join(dirname(fileURLToPath(import.meta.url)), "../dist");
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
const url = `http://127.0.0.1:${server.address().port}/`;

const profile = mkdtempSync(join(tmpdir(), "cochleagram-"));
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const args = [
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
const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  args,
  headless: true,
  viewport: { width: 1280, height: 860 },
});
const report = { models: {}, errors: [], foreign: [] };
const page = context.pages()[0] ?? (await context.newPage());
page.on("pageerror", (error) => report.errors.push(String(error)));
page.on("console", (message) => message.type() === "error" && report.errors.push(message.text()));
page.on("request", (request) => {
  if (!/^(http:\/\/127\.0\.0\.1:|blob:|data:)/.test(request.url())) report.foreign.push(request.url());
});

const ready = () => page.evaluate(() => window.cochleagram.ready());
const text = (id) => page.locator(`#${id}`).innerText();

/** Share of the picture's pixels that are brighter than its darkest colour, and how many colours there are. */
function pixels() {
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

/** Press a button, and wait until the page shows something, or the time is over. */
async function press(id, seconds) {
  await page.locator(`#${id}`).click();
  await page.waitForTimeout(1000 * seconds);
}

try {
  await page.goto(url);
  await ready();
  const names = await page.locator("#model option").evaluateAll((options) => options.map((o) => o.value));
  for (const name of names) {
    await page.selectOption("#model", name);
    await page.waitForFunction(() => !/^Loading/.test(document.getElementById("status").textContent));
    await ready();
    const seen = { status: await text("status"), worst: await text("worst"), verdict: "", before: await pixels() };
    seen.verdict = await page.locator("#verdict").getAttribute("class");
    const run = await page.evaluate(async () => {
      const whole = await window.cochleagram.decode("speech_22k.wav");
      const audio = whole.map((ear) => ear.subarray(0, Math.round(ear.length / 6.698)));
      const { output } = await window.cochleagram.process(audio);
      const encode = (values) => {
        let binary = "";
        for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) binary += String.fromCharCode(byte);
        return btoa(binary);
      };
      return { audio: audio.map(encode), output: encode(output) };
    });
    writeFileSync(join(out, `${name}.audio.f32`), Buffer.concat(run.audio.map((ear) => Buffer.from(ear, "base64"))));
    writeFileSync(join(out, `${name}.output.f32`), Buffer.from(run.output, "base64"));
    seen.loudness = await page.locator("#loudness").isVisible();
    await press("sample", 0);
    // What is heard depends on how fast the machine is.
    await page.waitForFunction(() => / [a-zA-Z/ ]+[0-9]* ?/.test(document.getElementById("reading").textContent.split(":")[1] ?? ""));
    await page.waitForTimeout(2500);
    seen.playing = { ...(await pixels()), status: await text("status"), speed: await text("speed") };
    seen.reading = await text("reading");
    if (seen.loudness) {
      for (const id of ["sone", "phon", "maximum-sone", "maximum-phon"]) seen[id] = Number(await text(id));
    }
    await press("pause", 0.3);
    seen.paused = await text("status");
    await page.screenshot({ path: join(out, `${name}.png`) });
    report.models[name] = seen;
  }
  // The last model again, 20 dB louder; kept over a reload.
  await page.fill("#level", "113.98");
  await page.locator("#level").blur();
  await page.reload();
  await ready();
  report.level = await page.inputValue("#level");
  report.gain = await page.evaluate(async () => {
    const [audio] = await window.cochleagram.decode("speech_22k.wav");
    return audio.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  });
  await page.fill("#level", "");
  await page.locator("#level").blur();
  report.usual = await page.evaluate(async () => {
    const [audio] = await window.cochleagram.decode("speech_22k.wav");
    return audio.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  });
  await press("microphone", 2.5);
  report.microphone = { ...(await pixels()), status: await text("status") };

  // A file: one that is no sound, and one that is.
  const choose = async (name, mimeType, buffer) => {
    await page.setInputFiles("#file", { name, mimeType, buffer });
    await page.waitForTimeout(1000);
    return text("status");
  };
  const speech = readFileSync(join(dist, "speech_22k.wav"));
  report.files = [
    await choose("notes.txt", "audio/wav", Buffer.from("no sound at all")),
    await choose("mine.wav", "audio/wav", speech),
  ];
  const content = speech.toString("base64");
  await page.evaluate((text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, content);
  await page.waitForTimeout(1000);
  report.files.push(await text("status"));
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press(" ");
  await page.waitForTimeout(300);
  report.key = await text("status");

  // Keyboard: everything is reached, in the order in which it is seen.
  await page.reload();
  await ready();
  const order = [];
  for (let i = 0; i < 9; i++) {
    await page.keyboard.press("Tab");
    order.push(await page.evaluate(() => document.activeElement?.id || document.activeElement?.tagName));
  }
  report.order = order;

  // A model that does not agree with its vectors, or is another file, is not to be trusted.
  const browser = await chromium.launch({ executablePath, headless: true, args });
  const other = await browser.newPage({ serviceWorkers: "block" });
  const told = async (pattern, change) => {
    await other.route(pattern, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: change(await response.json()) });
    });
    await other.goto(url);
    await other.evaluate(() => window.cochleagram.ready());
    await other.unroute(pattern);
    return { status: await other.locator("#status").innerText(), verdict: await other.locator("#verdict").getAttribute("class") };
  };
  report.wrong = await told("**/check.json", (content) => {
    const [first, second] = Object.keys(content).filter((key) => key.startsWith("out."));
    content[first].data = content[second].data;
    return content;
  });
  report.foreigner = await told("**/manifest.json", (content) => {
    for (const file of content.files) file.sha256 = "0".repeat(64);
    return content;
  });
  await browser.close();

  // Offline: from the second visit on, nothing of the server is needed.
  await page.evaluate(() => navigator.serviceWorker.ready);
  server.close();
  server.closeAllConnections();
  await page.reload();
  await ready();
  report.offline = await text("status");
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(JSON.stringify(report));
