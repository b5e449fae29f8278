import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { z } from "zod";
import { pack } from "../../sdk/client/release/tarball.ts";
import { projectRoot } from "../../stacks/bundle.ts";

const OURS = "@org/fifo-client";
const CLIENT_FOLDER = join(projectRoot, "sdk/client");

interface Peer {
  readonly name: string;
  /** What a program that sends imports. */
  readonly file: URL;
  /** What is installed. */
  readonly packages: readonly string[];
}

/** Its code as it is published, there after a build. */
const OURS_FILE = pathToFileURL(join(CLIENT_FOLDER, "dist/index.js"));
const PEERS: readonly Peer[] = [
  {
    name: "sqs-producer and its peer @aws-sdk/client-sqs",
    file: new URL("./bundled/sqs-producer.ts", import.meta.url),
    packages: ["sqs-producer", "@aws-sdk/client-sqs"],
  },
  {
    name: "@aws-sdk/client-sqs",
    file: new URL("./bundled/client-sqs.ts", import.meta.url),
    packages: ["@aws-sdk/client-sqs"],
  },
  {
    name: "@upstash/qstash",
    file: new URL("./bundled/qstash.ts", import.meta.url),
    packages: ["@upstash/qstash"],
  },
];

/** What each adds to a bundle for browsers, and to an empty project. */
export async function compareSizes(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fifo-gateway-bench-"));
  try {
    const { file: tarball } = await pack(CLIENT_FOLDER, folder);
    const bundled = await gzipped(OURS_FILE);
    const own = gzipSync(readFileSync(OURS_FILE), { level: 9 }).byteLength;
    const installed = install(join(folder, "ours"), [tarball]);
    print(OURS, bundled, installed, { bundled, installed });
    console.log(`  of it own code, without ky: ${kilobytes(own)} kB gzipped`);
    for (const [index, { name, file, packages }] of PEERS.entries()) {
      const theirs = install(join(folder, String(index)), packages.map(sameVersion));
      print(name, await gzipped(file), theirs, { bundled, installed });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Installed {
  readonly bytes: number;
  readonly packages: number;
}

function print(
  name: string,
  bundled: number,
  installed: Installed,
  ours: { readonly bundled: number; readonly installed: Installed },
): void {
  console.log(
    `${name}: ${kilobytes(bundled)} kB gzipped, ${kilobytes(installed.bytes)} kB in ${installed.packages} packages installed; ` +
      `gzipped / ours = ${(bundled / ours.bundled).toFixed(2)}; installed / ours = ${(installed.bytes / ours.installed.bytes).toFixed(2)}`,
  );
}

const kilobytes = (bytes: number): string =>
  (bytes / 1_000).toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Bytes of a minified bundle for browsers, gzipped. */
async function gzipped(file: URL): Promise<number> {
  const built = await build({
    entryPoints: [fileURLToPath(file)],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "error",
  });
  const [output] = built.outputFiles;
  if (output === undefined) throw new Error(`the bundle of ${file.href} is empty`);
  return gzipSync(output.contents, { level: 9 }).byteLength;
}

/** Installs into an empty project, and weighs what is there. */
function install(folder: string, specifiers: readonly string[]): Installed {
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", ...specifiers], folder);
  const modules = join(folder, "node_modules");
  const { packages } = z
    .object({ packages: z.record(z.string(), z.unknown()) })
    .parse(JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")));
  const bytes = readdirSync(modules, { recursive: true, encoding: "utf8" })
    .map((path) => statSync(join(modules, path)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  return { bytes, packages: Object.keys(packages).length };
}

/** The version that the bundle is made of. */
function sameVersion(name: string): string {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(projectRoot, "node_modules", name, "package.json"), "utf8")));
  return `${name}@${version}`;
}

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
