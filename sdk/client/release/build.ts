import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { minify } from "terser";

// What `npm run build` and `npm pack` do: declarations by tsc, and the code as one small file with its source map.

/**
 * Names of properties that nobody outside sees. They are shortened, which takes a fiftieth off the file. What is in an
 * option, an event, an error, a result or on the wire must not be here.
 */
const INTERNAL_NAMES = [
  "alone",
  "calls",
  "failWith",
  "failedCall",
  "firstAt",
  "flight",
  "held",
  "ids",
  "lane",
  "lastAttempt",
  "mayHaveLanded",
  "pausedBy",
  "retryAfterMilliseconds",
  "retryable",
  "settled",
  "sqsBytes",
  "startedAt",
  "stopListening",
  "succeed",
  "tries",
  "unknownSince",
];

const folder = join(import.meta.dirname, "..");
const dist = join(folder, "dist");

// Nothing of an older build stays, and the licence is the repository's.
rmSync(dist, { recursive: true, force: true });
copyFileSync(join(folder, "../../LICENSE"), join(folder, "LICENSE"));
execFileSync("tsc", ["-p", "tsconfig.build.json"], { cwd: folder, stdio: "inherit" });

const bundle = join(dist, "index.js");
buildSync({
  absWorkingDir: folder,
  entryPoints: ["src/index.ts"],
  outfile: bundle,
  bundle: true,
  format: "esm",
  target: "es2022",
  external: ["ky"],
  sourcemap: true,
});
const { code, map } = await minify(readFileSync(bundle, "utf8"), {
  module: true,
  ecma: 2020,
  compress: { passes: 3, inline: 0, unsafe: true, unsafe_arrows: true },
  // The classes' names stand in stacks.
  mangle: {
    reserved: ["FifoClientError", "SendError", "GroupPausedError"],
    properties: { regex: new RegExp(`^(${INTERNAL_NAMES.join("|")})$`) },
  },
  sourceMap: { content: readFileSync(`${bundle}.map`, "utf8"), filename: "index.js", url: "index.js.map" },
});
writeFileSync(bundle, code ?? "");
writeFileSync(`${bundle}.map`, String(map));
