import { styleText } from "node:util";
import Table from "cli-table3";
import { type BurstMessage, formatCreatedAt, type Progress } from "./burst.ts";
import type { Report } from "./report.ts";
import type { Local } from "./start-local.ts";

/** What `npm start` tells. */
export interface Output {
  readonly say: (line: string) => void;
  readonly fail: (line: string) => void;
  /** URLs, keys and a request to paste. */
  welcome(local: Local): void;
  progress(): { show(progress: Progress): void; end(): void };
  result(local: Local, messages: readonly BurstMessage[], report: Report, seconds: number): void;
}

/** More rows than this are cut in the middle. */
const TABLE_ROWS = 40;
/** A burst under this size is over before a progress line would be read. */
const LONG_BURST = 100;
const NARROW_BORDERS = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" } as const;

/**
 * Creates the output.
 *
 * @param json whether stdout is for one JSON document, and everything else goes to stderr
 */
export function createOutput(json: boolean): Output {
  const stream = json ? process.stderr : process.stdout;
  const say = (line: string) => void stream.write(`${line}\n`);
  // Colours on a terminal only, and not with NO_COLOR: styleText looks at both.
  const bold = (text: string) => styleText("bold", text, { stream });

  return {
    say,
    fail: (line) =>
      void process.stderr.write(`${styleText("red", "npm start failed:", { stream: process.stderr })} ${line}\n`),

    welcome(local) {
      const width = Math.max(...local.keys.map(({ name }) => name.length));
      say("");
      say(`${bold("gateway")}      ${local.endpoint}`);
      for (const { name, value } of local.keys) say(`${bold("key")}          ${name.padEnd(width)}  ${value}`);
      say(`${bold("SQS")}          ${local.sqs}  (region ${local.region}, any credentials)`);
      say(`${bold("DynamoDB")}     ${local.dynamodb}`);
      const command = curl(local);
      if (command !== undefined) say(`\n${command}\n`);
    },

    progress() {
      let shownAt = 0;
      let shownPart = 0;
      const isTerminal = stream.isTTY;
      return {
        show({ accepted, settled, total }) {
          if (total < LONG_BURST) return;
          const part = Math.floor((settled / total) * 10);
          if (isTerminal ? Date.now() - shownAt < 1_000 : part === shownPart) return;
          shownAt = Date.now();
          shownPart = part;
          const line = `burst        ${accepted} of ${total} accepted, ${settled} settled`;
          if (isTerminal) stream.write(`\r${line}`);
          else say(line);
        },
        end() {
          if (isTerminal && shownAt > 0) say("");
        },
      };
    },

    result(local, messages, report, seconds) {
      if (messages.length > 0) say(toTable(messages));
      const settled = messages.filter(({ milliseconds }) => milliseconds !== null).length;
      say(
        `${settled} of ${messages.length} settled in ${seconds.toFixed(1)} s, ${report.delivered} delivered, ` +
          `${report.ordered ? "every group in order" : "NOT IN ORDER"}, ${report.lost} lost`,
      );
      if (!json) return;
      const { endpoint, sqs, dynamodb } = local;
      process.stdout.write(`${JSON.stringify({ endpoint, sqs, dynamodb, messages, ...report }, undefined, 2)}\n`);
    },
  };
}

/**
 * A request for a POSIX shell.
 *
 * @returns undefined when there is no key or no queue
 */
export function curl({ endpoint, keys, queues }: Pick<Local, "endpoint" | "keys" | "queues">): string | undefined {
  const [key] = keys;
  const [queue] = queues;
  if (key === undefined || queue === undefined) return undefined;
  const body = {
    MessageGroupID: "10",
    transSeq: "5",
    time_out: 0.5,
    http_status: 200,
    createdAt: formatCreatedAt(new Date()),
  };
  return (
    `curl -sS '${endpoint}/${queue.name}' -H 'x-api-key: ${key.value}' -H 'content-type: application/json' ` +
    `-d '${JSON.stringify(body)}'`
  );
}

function toTable(messages: readonly BurstMessage[]): string {
  const table = new Table({
    head: ["queue", "group", "transSeq", "message id", "sequence number", "outcome", "ms"],
    style: { head: [], border: [], compact: true },
    chars: NARROW_BORDERS,
    colAligns: ["left", "left", "right", "left", "left", "left", "right"],
  });
  const half = TABLE_ROWS / 2;
  const shown = messages.length <= TABLE_ROWS ? messages : [...messages.slice(0, half), ...messages.slice(-half)];
  for (const [index, message] of shown.entries()) {
    if (shown.length < messages.length && index === half) {
      table.push([{ colSpan: 7, content: `... ${messages.length - shown.length} more ...`, hAlign: "center" }]);
    }
    const { queue, groupId, transSeq, messageId, sequenceNumber, outcome, milliseconds } = message;
    table.push([queue, groupId, transSeq, messageId ?? "-", sequenceNumber ?? "-", outcome, milliseconds ?? "-"]);
  }
  return table.toString();
}
