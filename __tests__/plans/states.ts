import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";

const folder = join(import.meta.dirname, "states");
/** Not as Terraform calls them: `.tfstate` files are no part of a repository. */
const KEPT = ".state.zst";
const STATE = ".tfstate";

/** Keeps the states that fixtures were planned from, so that one can be planned again without an apply. */
export function keepStates(work: string): void {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(work).filter((name) => name.endsWith(STATE)))
    writeFileSync(join(folder, basename(file, STATE) + KEPT), zstdCompressSync(readFileSync(join(work, file))));
}

/** Puts them into a working folder. */
export function takeStates(work: string): void {
  mkdirSync(work, { recursive: true });
  for (const file of readdirSync(folder).filter((name) => name.endsWith(KEPT)))
    writeFileSync(join(work, basename(file, KEPT) + STATE), zstdDecompressSync(readFileSync(join(folder, file))));
}
