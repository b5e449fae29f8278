import { styleText } from "node:util";
import Table from "cli-table3";
import type { SoakProgress, SoakResult } from "./run.ts";
import type { Counts, Violation } from "./verdict.ts";

/** What the soak tells while it runs, and at its end. */
export interface Report {
  begin(line: string): void;
  progress(progress: SoakProgress): void;
  result(result: SoakResult): void;
  fail(message: string): void;
}

const TERMINAL_MILLISECONDS = 1_000;
const PLAIN_MILLISECONDS = 5_000;
const MOST_NAMED = 10;
const NARROW_BORDERS = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" } as const;

const ROWS: readonly (readonly [keyof Counts, string])[] = [
  ["sent", "sent"],
  ["accepted", "accepted by the gateway"],
  ["refused", "refused to the producer"],
  ["unknown", "unknown to the producer"],
  ["deliveredOnce", "delivered once"],
  ["deliveredAgain", "delivered again, same idempotency-key"],
  ["parked", "parked at least once"],
  ["replayed", "  replayed and accepted"],
  ["edited", "  edited and accepted"],
  ["discarded", "  discarded"],
  ["deadLettered", "dead-lettered"],
  ["waiting", "still waiting"],
  ["lost", "lost"],
  ["reordered", "reordered"],
  ["withoutKey", "without idempotency-key"],
  ["other", "otherwise wrong"],
];
const MUST_BE_NONE: ReadonlySet<keyof Counts> = new Set(["lost", "reordered", "withoutKey", "other"]);

/** @param json whether stdout is for one JSON document, and everything else goes to stderr */
export function createReport(json: boolean): Report {
  const { stderr } = process;
  const out = json ? stderr : process.stdout;
  let shownAt = Number.NEGATIVE_INFINITY;
  let shownStage = "";
  let isLineOpen = false;

  function closeLine(): void {
    if (isLineOpen) stderr.write("\n");
    isLineOpen = false;
  }

  return {
    begin(line) {
      stderr.write(`${line}\n`);
    },
    progress(progress) {
      const { stage, seconds, sent, accepted, delivered, backlog, faults, controls } = progress;
      const now = performance.now();
      const every = stderr.isTTY ? TERMINAL_MILLISECONDS : PLAIN_MILLISECONDS;
      if (stage === shownStage && now - shownAt < every) return;
      shownAt = now;
      shownStage = stage;
      const line =
        `${String(seconds).padStart(4)} s  ${stage.padEnd(8)}  ${sent} sent, ${accepted} accepted, ${delivered} delivered, ` +
        `${backlog} queued, ${faults} faults, ${controls} controls`;
      stderr.write(stderr.isTTY ? `\r\u001B[2K${line}` : `${line}\n`);
      isLineOpen = stderr.isTTY;
    },
    result(result) {
      closeLine();
      const { queues, all, violations, ok } = result;
      const names = Object.keys(queues);
      const table = new Table({
        head: ["messages", ...names, "in all"],
        style: { head: [], border: [], compact: true },
        chars: NARROW_BORDERS,
        colAligns: ["left", ...names.map(() => "right" as const), "right"],
      });
      for (const [key, label] of ROWS) {
        const numbers = [...names.map((name) => queues[name]?.[key] ?? 0), all[key]];
        const isBad = MUST_BE_NONE.has(key) && all[key] > 0;
        const paint = (text: string) => (isBad ? styleText("red", text, { stream: out }) : text);
        table.push([paint(label), ...numbers.map((number) => paint(String(number)))]);
      }
      out.write(`${table.toString()}\n`);
      const faults = Object.entries(result.faults)
        .filter(([, count]) => count > 0)
        .map(([kind, count]) => `${count} ${kind}`);
      const controls = Object.entries(result.controls).map(([verb, count]) => `${count} ${verb}`);
      out.write(`faults: ${faults.join(", ") || "none"}; controls: ${controls.join(", ")}\n`);
      for (const { kind, queue, groupId, n, detail } of firstOfEach(violations).slice(0, MOST_NAMED)) {
        out.write(`${styleText("red", kind, { stream: out })} ${queue}, group ${groupId}, message ${n}: ${detail}\n`);
      }
      if (violations.length > MOST_NAMED) out.write(`and ${violations.length - MOST_NAMED} more\n`);
      const so = result.interrupted ? "so far " : "";
      const verdict = ok ? `${so}nothing lost, nothing reordered` : `${violations.length} VIOLATIONS`;
      out.write(
        `${verdict} in ${result.seconds} s, seed ${result.seed}${ok ? "" : `; all of it is in ${result.data}`}\n`,
      );
      if (json) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    },
    fail(message) {
      closeLine();
      stderr.write(`${styleText("red", "soak failed:", { stream: stderr })} ${message}\n`);
    },
  };
}

/** The first of each kind in each group before all others: one overtaking can make a hundred of them. */
function firstOfEach(violations: readonly Violation[]): Violation[] {
  const groups = [...Map.groupBy(violations, ({ kind, queue, groupId }) => `${kind}/${queue}/${groupId}`).values()];
  return [...groups.flatMap((group) => group.slice(0, 1)), ...groups.flatMap((group) => group.slice(1))];
}
