import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";

const folder = join(import.meta.dirname, "states");
const KEPT = ".tfstate.zst";

/** Keeps the states that fixtures were planned from, so that one can be planned again without an apply. */
export function keepStates(work: string): void {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(work).filter((name) => name.endsWith(".tfstate")))
    writeFileSync(join(folder, `${file}.zst`), zstdCompressSync(readFileSync(join(work, file))));
}

/** Puts them into a working folder. */
export function takeStates(work: string): void {
  mkdirSync(work, { recursive: true });
  for (const file of readdirSync(folder).filter((name) => name.endsWith(KEPT)))
    writeFileSync(join(work, file.slice(0, -".zst".length)), zstdDecompressSync(readFileSync(join(folder, file))));
}
