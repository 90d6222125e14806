#!/usr/bin/env node
/**
 * Visit the built page with a stand-in for examples/service, let go wrong what can, and report what was seen as JSON.
 *
 *     node tests/service.mjs
 */

import { chromium } from "playwright-core";
import { address, args, executablePath, pixels, serve } from "./browser.mjs";
import { fakeService } from "./fake_service.mjs";

const pages = await serve();
const { server, sent, port } = await fakeService();
const base = `ws://127.0.0.1:${port}/`;
const browser = await chromium.launch({ executablePath, headless: true, args });
const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, serviceWorkers: "block" });
const page = await context.newPage();
const report = { errors: [], failed: {}, sent, port };
page.on("pageerror", (error) => report.errors.push(String(error)));

const ready = () => page.evaluate(() => window.cochleagram.ready());
const text = async (id) => (await page.locator(`#${id}`).innerText()).replaceAll("\u200b", "");
const says = (pattern) =>
  page.waitForFunction((words) => new RegExp(words).test(document.getElementById("status").textContent), pattern);
const until = async (holds) => {
  for (let i = 0; !holds(); i++) {
    if (i > 500) throw new Error(`10 s, and not yet: ${holds}`);
    await page.waitForTimeout(20);
  }
};
const facts = async () => {
  const found = {};
  for (const id of ["claim", "status", "worst", "vectors", "speed-label", "verdict-label", "channels", "delay"]) {
    found[id] = await text(id);
  }
  const level = page.locator("#level");
  found.level = { value: await level.inputValue(), disabled: await level.isDisabled(), why: await text("follows") };
  found.verdict = await page.locator("#verdict").getAttribute("class");
  return found;
};
/** Choose the service at a path, by its address in the page. */
const connect = async (path) => {
  await page.fill("#address", `${base}${path}`);
  await page.press("#address", "Enter");
  await ready();
};

try {
  // This device's own level, which is not to be used with a service.
  await page.goto(address(pages));
  await ready();
  await page.fill("#level", "113.98");
  await page.locator("#level").blur();
  report.local = await facts();

  // By the address of the page, without a path; to its end.
  await page.goto(`${address(pages)}?service=127.0.0.1:${port}`);
  await ready();
  report.ready = await facts();
  await page.click("#sample");
  await page.waitForFunction(() => / dB/.test(document.getElementById("reading").textContent));
  report.reading = await text("reading");
  await says("^The end of");
  report.end = { status: await text("status"), answers: await text("speed") };

  await connect("loudness");
  report.loudness = await facts();
  await page.click("#sample");
  await page.waitForFunction(() => document.getElementById("sone").textContent !== "–");
  report.sones = [await text("sone"), await text("phon"), await page.locator("#cochleagram").isVisible()];
  await page.click("#sample"); // a second signal has a connection of its own
  await until(() => sent.loudness.connections === 3);

  // The microphone is left as soon as it is off, however long the server would wait.
  await connect("microphone");
  await page.click("#microphone");
  await page.waitForFunction(() => / dB/.test(document.getElementById("reading").textContent));
  await page.click("#microphone");
  await says("^The microphone is off");
  await until(() => !server.clients.size);

  await connect("small");
  await page.click("#sample");
  await page.waitForFunction(() => / dB/.test(document.getElementById("reading").textContent));

  // What fails on connecting.
  for (const path of ["full", "phase", "next", "dense", "chat"]) {
    await connect(path);
    report.failed[path] = await text("status");
  }
  await page.fill("#address", "ws://127.0.0.1:9/stream");
  await page.click("#service button");
  await ready();
  report.failed.refused = await text("status");
  report.disabled = await page.locator("#sample").isDisabled();
  await page.fill("#address", "ftp://127.0.0.1");
  await page.click("#service button");
  await ready();
  report.failed.address = await text("status");

  // What fails on the way.
  for (const path of ["bad", "odd", "changed", "lost"]) {
    await connect(path);
    await page.click("#sample");
    await page.waitForFunction(() => document.getElementById("status").classList.contains("bad"));
    report.failed[path] = await text("status");
  }
  await connect("idle");
  await page.click("#sample");
  await page.waitForFunction(() => / dB/.test(document.getElementById("reading").textContent));
  await page.click("#pause");
  await says("closed");
  report.failed.idle = await text("status");
  await connect("slow");
  await page.click("#microphone");
  await says("dropped");
  report.failed.slow = await text("status");

  // One that never answers is left for a model of this device, at once.
  await page.fill("#address", `${base}silent`);
  await page.click("#service button");
  await says("^Connecting");
  await page.selectOption("#model", { index: 0 });
  await ready();
  report.again = await facts();
  await page.click("#sample");
  await page.waitForFunction(() => / dB/.test(document.getElementById("reading").textContent));
  await page.waitForTimeout(1000);
  report.drawn = await pixels(page);

  // Kept on this device, and not used unasked.
  await page.goto(address(pages));
  await ready();
  report.fresh = await text("status");
  report.kept = await page.inputValue("#address");
} finally {
  await browser.close();
  for (const socket of server.clients) socket.terminate();
  server.close();
  pages.close();
}
console.log(JSON.stringify(report));
