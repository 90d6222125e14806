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
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { address, args, dist, executablePath, pixels, serve } from "./browser.mjs";

const out = process.argv[2];
if (!out) throw new Error("usage: node tests/e2e.mjs OUT");
mkdirSync(out, { recursive: true });

const server = await serve();
const url = address(server);

const profile = mkdtempSync(join(tmpdir(), "cochleagram-"));
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

/** Press a button, and wait until the page shows something, or the time is over. */
async function press(id, seconds) {
  await page.locator(`#${id}`).click();
  await page.waitForTimeout(1000 * seconds);
}

try {
  await page.goto(url);
  await ready();
  const names = await page.locator("#model option").evaluateAll((options) => options.map((o) => o.value));
  names.pop(); // a service, which tests/service.mjs visits
  for (const name of names) {
    await page.selectOption("#model", name);
    await page.waitForFunction(() => !/^Loading/.test(document.getElementById("status").textContent));
    await ready();
    const seen = { status: await text("status"), worst: await text("worst"), verdict: "", before: await pixels(page) };
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
    seen.playing = { ...(await pixels(page)), status: await text("status"), speed: await text("speed") };
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
  report.microphone = { ...(await pixels(page)), status: await text("status") };

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
