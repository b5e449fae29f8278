import { type FileHandle, open, truncate } from "node:fs/promises";

/** A file of whole lines that can be read at any place. */
export interface FinishedLineFile {
  /** @throws when the file has less than `length` bytes at `offset` */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** A file that grows by whole lines. */
export interface LineFile extends FinishedLineFile {
  /** Bytes cut off at the end when the file was opened: a line that an earlier process did not finish. */
  readonly cutBytes: number;
  /** Bytes of all lines on disk. */
  readonly size: number;
  /** Resolves when the bytes are on disk (fdatasync). What a failed call left is cut off by the next one. Not to be called concurrently. */
  append(lines: Buffer): Promise<void>;
}

/** Gets a line without its newline, and its offset in bytes; the buffer is the callee's. */
type OnLine = (line: Buffer, offset: number) => void;

/** Bytes read at a time. */
const CHUNK_BYTES = 1_048_576;
const NEWLINE = 0x0a;

/**
 * Opens a file of lines, makes it when it does not exist, and cuts off what follows its last newline.
 *
 * @param onLine gets each line that is there
 * @throws the file system's errors
 * @example await openLineFile("logs/res_server.txt", (line, offset) => console.log(offset, line.length))
 */
export async function openLineFile(path: string, onLine?: OnLine): Promise<LineFile> {
  const found = await findEnd(path, onLine);
  let { size } = found;
  const cutBytes = found.written - size;
  // By path: a handle that appends may not cut, on Windows.
  if (cutBytes > 0) await truncate(path, size);
  const file = await open(path, "a+");
  let torn = false;
  return {
    cutBytes,
    get size() {
      return size;
    },
    async append(lines) {
      // Half a line must not become the beginning of the next one.
      if (torn) await truncate(path, size);
      torn = true;
      await file.appendFile(lines);
      await file.datasync();
      torn = false;
      size += lines.length;
    },
    ...reading(file, path),
  };
}

/**
 * Opens a file of lines that nobody writes to any more. It stays as it is; what follows its last newline is read over.
 *
 * @param onLine gets each line
 * @throws the file system's errors, also when the file does not exist
 * @example await openFinishedLineFile("logs/res_server.txt.1", (line, offset) => console.log(offset, line.length))
 */
export async function openFinishedLineFile(path: string, onLine: OnLine): Promise<FinishedLineFile> {
  const file = await open(path, "r");
  await readLines(file, onLine);
  return reading(file, path);
}

function reading(file: FileHandle, path: string): FinishedLineFile {
  return {
    async read(offset, length) {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await file.read(buffer, 0, length, offset);
      if (bytesRead !== length) throw new Error(`${path} has ${bytesRead} of ${length} bytes at ${offset}`);
      return buffer;
    },
    close: () => file.close(),
  };
}

/**
 * @returns the file's bytes, and those of its whole lines
 * @throws the file system's errors but for a file that does not exist: a file that cannot be read must not be cut
 */
async function findEnd(path: string, onLine?: OnLine): Promise<{ readonly written: number; readonly size: number }> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { written: 0, size: 0 };
    throw error;
  }
  try {
    const written = (await file.stat()).size;
    return { written, size: await (onLine === undefined ? lastNewline(file, written) : readLines(file, onLine)) };
  } finally {
    await file.close();
  }
}

/** Looks from the end on. @returns the offset behind the last newline */
async function lastNewline(file: FileHandle, written: number): Promise<number> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (let end = written; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    if (bytesRead !== end - start) throw new Error(`read ${bytesRead} of ${end - start} bytes at ${start}`);
    const found = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (found !== -1) return start + found + 1;
    end = start;
  }
  return 0;
}

/** @returns the offset behind the last newline */
async function readLines(file: FileHandle, onLine: OnLine): Promise<number> {
  let lineStart = 0;
  let at = 0;
  let parts: Buffer[] = [];
  for (;;) {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return lineStart;
    let from = 0;
    for (let end = nextNewline(0); end !== -1; end = nextNewline(from)) {
      parts.push(buffer.subarray(from, end));
      onLine(Buffer.concat(parts), lineStart);
      parts = [];
      from = end + 1;
      lineStart = at + from;
    }
    parts.push(buffer.subarray(from, bytesRead));
    at += bytesRead;

    function nextNewline(start: number): number {
      const found = buffer.indexOf(NEWLINE, start);
      return found < bytesRead ? found : -1;
    }
  }
}
