/**
 * A stand-in for examples/service: the same messages, known numbers, and all that can go wrong, by the path of the
 * address.
 */

import { WebSocketServer } from "ws";

const LEVELS = {
  version: 1,
  model: "four_channels_16k",
  sampling_rate: 16000,
  ears: 1,
  calibration: "full-scale sine = 100 dB SPL",
  full_scale: 100,
  quantity: "level",
  unit: "dB SPL",
  hop: 0.01,
  columns: ["250.0 Hz", "500.0 Hz", "1000.0 Hz", "2000.0 Hz"],
  centre_frequencies: [250, 500, 1000, 2000],
  block: 256,
  latency: 64,
  message_bytes: 1 << 20,
};
const LOUDNESS = {
  ...LEVELS,
  model: "two_ears_32k",
  sampling_rate: 32000,
  ears: 2,
  quantity: "loudness",
  unit: "sone",
  columns: ["short_term", "long_term"],
  centre_frequencies: [],
};
/** Each frame. */
const FRAMES = { level: [20, 30, 40, 50], loudness: [2, 4] };

/** Milliseconds of silence that end a connection to /idle, and of an answer of /slow. */
const IDLE = 500;
const SLOW = 2500;

/** @returns the server, its port and what it was sent: { samples, peak, pairs, ends, connections, most } by path */
export async function fakeService() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  const sent = {};
  server.on("connection", (socket, request) => {
    const path = request.url.slice(1);
    const seen = (sent[path] ??= { samples: 0, peak: 0, pairs: true, ends: 0, connections: 0, most: 0 });
    seen.connections += 1;
    if (path === "full") return socket.close(1013, "all places are taken; try again later");
    const hello = { ...(path === "loudness" ? LOUDNESS : LEVELS) };
    if (path === "small") hello.message_bytes = 2048;
    if (path === "phase") hello.quantity = "phase";
    if (path === "next") hello.version = 2;
    if (path === "dense") hello.hop = 1e-9;
    if (path === "changed" && seen.connections > 1) hello.model = "another_16k";
    if (path === "silent") return;
    socket.send(path === "chat" ? "Welcome to the chat!" : JSON.stringify(hello));
    let samples = 0;
    let frames = 0;
    let messages = 0;
    let idle;
    socket.on("message", (data, binary) => {
      messages += 1;
      if (!binary) {
        seen.ends += String(data) === "end";
        socket.send(new Uint8Array(0));
        return socket.close();
      }
      const audio = new Float32Array(Uint8Array.from(data).buffer);
      seen.samples += audio.length / hello.ears;
      seen.most = Math.max(seen.most, data.length);
      audio.forEach((sample, i) => {
        seen.peak = Math.max(seen.peak, Math.abs(sample));
        if (i % 2 && sample !== audio[i - 1]) seen.pairs = false;
      });
      if (path === "bad") return socket.close(1007, "sample 7 is not finite");
      if (path === "lost" && messages === 5) return socket.terminate();
      if (path === "odd") return socket.send(new Uint8Array(3));
      samples += audio.length / hello.ears;
      const due = Math.floor(samples / hello.sampling_rate / hello.hop) - frames;
      frames += due;
      const row = FRAMES[hello.quantity];
      const answer = Float32Array.from({ length: due * row.length }, (_, i) => row[i % row.length]);
      setTimeout(() => socket.send(answer), path === "slow" && messages === 3 ? SLOW : 0);
      clearTimeout(idle);
      if (path === "idle") idle = setTimeout(() => socket.close(1001, "nothing came for 30 s"), IDLE);
    });
  });
  await new Promise((resolve) => server.on("listening", resolve));
  return { server, sent, port: server.address().port };
}
