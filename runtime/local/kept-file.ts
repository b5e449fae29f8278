import { readFileSync, renameSync, writeFileSync } from "node:fs";

/**
 * Reads a small file that is kept over restarts.
 *
 * @returns undefined when it does not exist
 * @throws the file system's other errors: what cannot be read must not be made anew
 */
export function readKept(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Writes it anew: a kill in between leaves the old one whole.
 *
 * @param mode the file's permissions, since keys are nobody else's
 * @example writeKept(".local/ports.json", "{}\n", 0o600);
 */
export function writeKept(path: string, text: string, mode: number): void {
  const written = `${path}.new`;
  writeFileSync(written, text, { mode, flush: true });
  renameSync(written, path);
}
