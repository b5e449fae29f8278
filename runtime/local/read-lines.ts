import { type FileHandle, open } from "node:fs/promises";

const CHUNK_BYTES = 1_048_576;

/**
 * Reads a file's whole lines, one after the other, without holding more than one: what follows the last newline is a line that
 * nobody finished, and is left out. A newline alone ends a line, since a body may hold U+2028.
 *
 * @returns nothing for a file that does not exist
 * @throws the file system's errors
 * @example for await (const line of readLines(".local/accepted.jsonl")) console.log(line);
 */
export async function* readLines(path: string): AsyncGenerator<string> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw error;
  }
  let begun: Buffer[] = [];
  for await (const chunk of file.createReadStream({ highWaterMark: CHUNK_BYTES })) {
    const buffer = Buffer.from(chunk);
    let from = 0;
    for (let end = buffer.indexOf("\n"); end !== -1; end = buffer.indexOf("\n", from)) {
      begun.push(buffer.subarray(from, end));
      yield Buffer.concat(begun).toString();
      begun = [];
      from = end + 1;
    }
    begun.push(buffer.subarray(from));
  }
}
