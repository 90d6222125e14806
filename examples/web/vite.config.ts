import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

/** Write the service worker: the one in src with the list of files that it keeps, and their hash. */
function offline(): Plugin {
  return {
    name: "offline",
    apply: "build",
    closeBundle() {
      const out = join(import.meta.dirname, "dist");
      const files = readdirSync(out, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== "sw.js")
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();
      const hash = createHash("sha256");
      for (const file of files) hash.update(file.slice(out.length)).update(readFileSync(file));
      const list = files.map((file) => `.${file.slice(out.length).replaceAll("\\", "/")}`);
      const code = readFileSync(join(import.meta.dirname, "src/sw.js"), "utf8");
      const filled = code
        .replace('"VERSION"', JSON.stringify(hash.digest("hex").slice(0, 12)))
        .replace('["FILES"]', JSON.stringify(["./", ...list]));
      writeFileSync(join(out, "sw.js"), filled);
    },
  };
}

export default defineConfig({
  // Relative, so that the built folder works under any path of any server.
  base: "./",
  plugins: [offline()],
  worker: { format: "es" },
  build: { target: "es2022", assetsInlineLimit: 0 },
});
