import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type FinishedLineFile, openFinishedLineFile, openLineFile } from "./line-file.ts";
import { answerOf, isAccepted, parseRequest, type ResponseRequest, sequenceLine } from "./request.ts";

/** What the consumer's headers said about a request. */
export interface RequestMeta {
  readonly idempotencyKey: string | undefined;
  readonly messageId: string | undefined;
  readonly groupId: string | undefined;
  readonly sequenceNumber: string | undefined;
  readonly attempt: number | undefined;
  /** ISO 8601, UTC. */
  readonly receivedAt: string;
}

/** The two logs, which are also the store of what was answered. */
export interface Journal {
  /** What was found when the journal was opened. */
  readonly found: {
    readonly keys: number;
    readonly cutBytes: number;
    readonly unreadableLines: number;
    readonly rotatedFiles: number;
  };
  /**
   * Writes a request once and gives its answer.
   *
   * A key that was written before gets the answer of that time, unless that was a refusal and the body is another one now: a
   * person has edited the message, and it is dealt with anew under its old key.
   *
   * @returns the answer, and whether this is a repetition
   * @throws the file system's errors: nothing is written then
   */
  record(request: ResponseRequest, meta: RequestMeta): Promise<{ readonly answer: string; readonly repeated: boolean }>;
  close(): Promise<void>;
}

/** Where the body of a written request is. */
interface Place {
  /** Which of the journal's files it is in, the oldest being the first. */
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

interface Entry {
  readonly line: Buffer;
  readonly sequence: string | undefined;
  resolve(offset: number): void;
  reject(error: unknown): void;
}

/** Most bytes that are written together; a single line may be longer. */
const COMMIT_BYTES = 8 * 1_048_576;

/** The file with one request a line. */
const REQUESTS_FILE = "res_server.txt";

/**
 * Opens the journal in a folder: `res_server.txt`, one JSON object a line with the request's own fields first and then
 * {@link RequestMeta} and `bodyBytes`, and `res_server_Seq.txt`, one `transSeq` a line.
 *
 * The answers of keys that are in `res_server.txt` are read from there, so the log itself is the store: in memory is only where
 * each key's body stands (about 200 bytes a key). What is written while a write is under way goes to disk together with the
 * next one (group commit). The `Seq` line is written first, so a crash between the two costs a second `Seq` line and never
 * a missing one.
 *
 * Files that `res_server.txt` was rotated away to, `res_server.txt.1` and so on with the lowest number the latest, are read as
 * well: a key is known as long as the file that it is in is kept. They are looked for here and nowhere else, so whoever rotates
 * renames (neither copies and cuts, nor compresses) and starts the server anew. Until then it writes to the renamed file.
 *
 * @param directory made when it does not exist; one process a folder
 * @throws the file system's errors
 * @example const journal = await openJournal("./logs")
 */
export async function openJournal(directory: string): Promise<Journal> {
  await mkdir(directory, { recursive: true });
  const places = new Map<string, Place>();
  let unreadableLines = 0;
  const rotated = await rotatedFiles(directory);
  // The oldest first: where a key was written twice, the last time counts.
  const files: FinishedLineFile[] = [];
  for (const name of rotated) files.push(await openFinishedLineFile(join(directory, name), keepPlace));
  const requests = await openLineFile(join(directory, REQUESTS_FILE), keepPlace);
  files.push(requests);
  const sequences = await openLineFile(join(directory, "res_server_Seq.txt"));

  const underWay = new Map<string, Promise<string>>();
  let queue: Entry[] = [];
  let committing: Promise<void> | undefined;

  return {
    found: {
      keys: places.size,
      cutBytes: requests.cutBytes + sequences.cutBytes,
      unreadableLines,
      rotatedFiles: rotated.length,
    },
    async record(request, meta) {
      const key = meta.idempotencyKey;
      if (key === undefined) return { answer: await write(request, meta), repeated: false };
      const place = places.get(key);
      const written = place === undefined ? undefined : await read(place);
      if (written !== undefined && (isAccepted(written) || written.text === request.text)) {
        return { answer: answerOf(written), repeated: true };
      }
      const other = underWay.get(key);
      if (other !== undefined) return { answer: await other, repeated: true };
      const first = write(request, meta).finally(() => underWay.delete(key));
      underWay.set(key, first);
      return { answer: await first, repeated: false };
    },
    async close() {
      await committing;
      await Promise.all([...files, sequences].map((file) => file.close()));
    },
  };

  /** Of a line in the file that is opened next. */
  function keepPlace(line: Buffer, offset: number): void {
    const written = readLine(line);
    if (written === undefined) unreadableLines += 1;
    else if (written.key !== undefined) {
      places.set(written.key, { file: files.length, offset, length: written.bodyBytes });
    }
  }

  async function write(request: ResponseRequest, meta: RequestMeta): Promise<string> {
    const line = toLine(request, meta);
    const offset = await new Promise<number>((resolve, reject) => {
      queue.push({ line, sequence: sequenceLine(request), resolve, reject });
      committing ??= commitAll();
    });
    if (meta.idempotencyKey !== undefined) {
      places.set(meta.idempotencyKey, { file: rotated.length, offset, length: Buffer.byteLength(request.text) });
    }
    return answerOf(request);
  }

  async function read({ file, offset, length }: Place): Promise<ResponseRequest> {
    const line = await (files[file] ?? requests).read(offset, length);
    // In the line, a comma stands where the body ended.
    line[length - 1] = "}".charCodeAt(0);
    return parseRequest(line);
  }

  async function commitAll(): Promise<void> {
    // Requests of the same turn go together.
    await Promise.resolve();
    while (queue.length > 0) {
      const entries = takeEntries();
      try {
        const lines = entries.flatMap(({ sequence }) => (sequence === undefined ? [] : [`${sequence}\n`]));
        if (lines.length > 0) await sequences.append(Buffer.from(lines.join("")));
        let offset = requests.size;
        await requests.append(Buffer.concat(entries.map(({ line }) => line)));
        for (const entry of entries) {
          entry.resolve(offset);
          offset += entry.line.length;
        }
      } catch (error) {
        for (const entry of entries) entry.reject(error);
      }
    }
    committing = undefined;
  }

  function takeEntries(): Entry[] {
    let bytes = 0;
    const end = queue.findIndex(({ line }) => (bytes += line.length) > COMMIT_BYTES);
    const entries = end === -1 ? queue : queue.slice(0, Math.max(1, end));
    queue = queue.slice(entries.length);
    return entries;
  }
}

/** @returns names of the files that were rotated away, the oldest first */
async function rotatedFiles(directory: string): Promise<string[]> {
  const prefix = `${REQUESTS_FILE}.`;
  const suffixes = (await readdir(directory))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((suffix) => /^\d+$/.test(suffix));
  return suffixes.toSorted((one, other) => Number(other) - Number(one)).map((suffix) => `${prefix}${suffix}`);
}

/** `{<the body's own fields>,<meta>,"bodyBytes":n}`: the last field tells where the body ends, whatever the body holds. */
function toLine({ text }: ResponseRequest, meta: RequestMeta): Buffer {
  const tail = JSON.stringify({ ...meta, bodyBytes: Buffer.byteLength(text) });
  return Buffer.from(`${text.slice(0, -1)},${tail.slice(1)}\n`);
}

/** @returns undefined for a line that this server did not write */
function readLine(line: Buffer): { readonly key: string | undefined; readonly bodyBytes: number } | undefined {
  const bodyBytes = Number(/"bodyBytes":(\d{1,9})\}$/.exec(line.subarray(-40).toString("latin1"))?.[1] ?? Number.NaN);
  if (Number.isNaN(bodyBytes)) return undefined;
  try {
    const meta: unknown = JSON.parse(`{${line.subarray(bodyBytes).toString()}`);
    const key: unknown = typeof meta === "object" && meta !== null ? Reflect.get(meta, "idempotencyKey") : undefined;
    return { key: typeof key === "string" ? key : undefined, bodyBytes };
  } catch {
    return undefined;
  }
}
