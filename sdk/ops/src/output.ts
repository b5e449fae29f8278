import { styleText } from "node:util";
import Table from "cli-table3";

/** What the command tells: results on stdout, all else on stderr. */
export interface Output {
  /** Whether stdout is for one JSON document. */
  readonly json: boolean;
  /** A line of the result. Nothing with `--json`. */
  say(line: string): void;
  /** A table of the result, one row a record. Nothing with `--json`. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void;
  /** One record, one line a field; what is undefined is left out. Nothing with `--json`. */
  fields(record: Readonly<Record<string, Cell | undefined>>): void;
  /** The one JSON document. Nothing without `--json`. */
  document(value: unknown): void;
  /** How far it has come, on stderr: on a terminal the line is written over, elsewhere there is one a second at most. */
  progress(line: string): void;
  /** A line on stderr. */
  note(line: string): void;
  /** The error that ends the command. */
  fail(code: string, message: string): void;
  /** Bold on a terminal. */
  bold(text: string): string;
}

/** Numbers are aligned to the right. */
export type Cell = string | number;

const NARROW_BORDERS = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" } as const;

/** Between two lines of progress that go to a file or a pipe, in milliseconds. */
const LOG_MILLISECONDS = 1_000;

/** Creates it. @param json `--json` */
export function createOutput(json: boolean): Output {
  const { stdout, stderr } = process;
  let isUnderWay = false;
  let toldAt = 0;
  const endProgress = () => {
    if (isUnderWay) stderr.write("\n");
    isUnderWay = false;
  };
  const say = (line: string) => {
    if (json) return;
    endProgress();
    stdout.write(`${line}\n`);
  };
  // Colours on a terminal only, and not with NO_COLOR: styleText looks at both.
  const bold = (text: string) => (json ? text : styleText("bold", text, { stream: stdout }));
  const note = (line: string) => {
    endProgress();
    stderr.write(`${line}\n`);
  };

  return {
    json,
    say,
    bold,
    note,
    table(head, rows) {
      const [first = []] = rows;
      const table = new Table({
        head: head.map(bold),
        style: { head: [], border: [], compact: true },
        chars: NARROW_BORDERS,
        colAligns: first.map((cell) => (typeof cell === "number" ? "right" : "left")),
      });
      for (const row of rows) table.push(row.map((cell) => visible(String(cell))));
      say(table.toString());
    },
    fields(record) {
      const known = Object.entries(record).filter(([, value]) => value !== undefined);
      const width = Math.max(...known.map(([name]) => name.length));
      for (const [name, value] of known) say(`${bold(name.padEnd(width))}  ${visible(String(value))}`);
    },
    document(value) {
      if (!json) return;
      endProgress();
      stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
    },
    progress(line) {
      if (stderr.isTTY) {
        stderr.write(`\r\u001B[K${line}`);
        isUnderWay = true;
      } else if (Date.now() - toldAt >= LOG_MILLISECONDS) {
        stderr.write(`${line}\n`);
        toldAt = Date.now();
      }
    },
    fail(code, message) {
      note(`${styleText("red", "fifo-ops:", { stream: stderr })} ${visible(message)}`);
      if (json) stdout.write(`${JSON.stringify({ error: { code, message } }, undefined, 2)}\n`);
    },
  };
}

/** What a terminal would take for a command, as JSON writes it: bodies and reasons are other people's. */
export function visible(text: string): string {
  return text.replaceAll(/(?![\t\n])[\p{Cc}\p{Bidi_Control}]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * How long ago, in its two largest units.
 *
 * @example age(Date.parse("2026-11-20T10:00:00Z"), Date.parse("2026-11-22T13:30:00Z")) // "2d 3h"
 */
export function age(since: number, now: number): string {
  if (!Number.isFinite(since)) return "-";
  const seconds = Math.max(0, Math.floor((now - since) / 1_000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  if (minutes > 0) return `${minutes}m ${seconds % 60}s`;
  return `${seconds}s`;
}
