import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

/** A plan holds each value up to four times, far apart: with a window this large (8 MiB) it is kept once. */
const COMPRESSION = {
  params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_windowLog]: 23 },
};

/** What `terraform show -json` printed of a scenario's plans, one a line. */
export function readFixture(name: string): string {
  return zstdDecompressSync(readFileSync(pathOf(name))).toString("utf8");
}

export function writeFixture(name: string, plans: readonly string[]): void {
  writeFileSync(pathOf(name), zstdCompressSync(plans.map((plan) => `${plan.trim()}\n`).join(""), COMPRESSION));
}

function pathOf(name: string): string {
  return join(import.meta.dirname, "fixtures", `${name}.json.zst`);
}
