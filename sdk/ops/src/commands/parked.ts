import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { Command, Option } from "commander";
import { z } from "zod";
import { confirm } from "../confirm.ts";
import { EXIT, OpsError } from "../errors.ts";
import { age, type Output, visible } from "../output.ts";
import { type DiscardOptions, discard, planDiscard } from "../parked/discard.ts";
import { edit, planEdit } from "../parked/edit.ts";
import { listGroups, listMessages } from "../parked/list.ts";
import type { ParkedSummary } from "../parked/messages.ts";
import { planReplay, type Replayed, type ReplayProgress, replay } from "../parked/replay.ts";
import { type DiscardedSummary, readPayload, type Shown, show } from "../parked/show.ts";
import { TIMEOUT_SECONDS } from "../parked/wait.ts";
import { commandLine, examples } from "./command-line.ts";
import { type Context, commonOptions, flag, run, wholeNumber, withCommonOptions } from "./run.ts";

const listOptions = commonOptions.extend({
  group: z.string().optional(),
  after: z.string().optional(),
  limit: z.number(),
});
const showOptions = commonOptions.extend({ body: flag, payload: flag });
const sendingOptions = commonOptions.extend({ wait: z.boolean(), timeout: z.number(), dryRun: flag });
const replayOptions = sendingOptions.extend({ all: flag });
const discardOptions = sendingOptions.extend({ reason: z.string(), yes: flag });
const editOptions = sendingOptions.extend({ file: z.string(), yes: flag });

/** A message's three names: queue, group, sequence number. */
const namedMessage = z.tuple([z.string(), z.string(), z.string()]);

const LIST_LIMIT = 100;
const MOST_LISTED = 1_000_000;
const MOST_SECONDS = 86_400;
/** Rows of one table: a longer list is shown in several, so that the first rows come at once. */
const TABLE_ROWS = 200;

/** `fifo-ops parked ...`: the verbs for groups that wait for a person. */
export function parkedCommand(): Command {
  return new Command("parked")
    .description("groups that wait for a person: the backend refused a message of theirs (failure policy park)")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(replayCommand())
    .addCommand(discardCommand())
    .addCommand(editCommand());
}

function listCommand(): Command {
  return withCommonOptions(new Command("list"))
    .description("lists parked groups, or the parked messages of one group; never bodies")
    .argument("[queue]", "its name in main.ts (default: all queues)")
    .option("--group <id>", "the messages of this group")
    .option("--after <sequence>", "with --group: those behind this sequence number")
    .option("--limit <n>", "rows at most", wholeNumber(1, MOST_LISTED), LIST_LIMIT)
    .addHelpText(
      "after",
      examples("parked list --deployment prod", "parked list queue-2 --group 10 --local", "parked list --local --json"),
    )
    .action(run(z.tuple([z.string().optional()]), listOptions, list));
}

async function list(context: Context<z.output<typeof listOptions>>, queue?: string): Promise<number> {
  const { connection, options, output } = context;
  const { group: groupId, after, limit } = options;
  if (groupId === undefined) {
    if (after !== undefined)
      throw new OpsError("INVALID_ARGUMENT", "--after is for the messages of a group: --group <id>");
    const head = ["queue", "group", "oldest message", "parked since", "age"];
    const groups = listGroups({ connection, queue });
    const shown = await showRows(output, head, groups, limit, (group) => [
      group.queue,
      group.groupId,
      group.sequenceNumber,
      group.parkedAt,
      age(Date.parse(group.parkedAt), Date.now()),
    ]);
    output.document({ groups: shown.rows, more: shown.more });
    if (shown.rows.length === 0) output.say(`nothing is parked in ${queue ?? `deployment ${connection.deployment}`}`);
    if (shown.more) output.note(`more than ${limit} groups: --limit <n> shows more of them`);
    return EXIT.done;
  }
  if (queue === undefined) throw new OpsError("INVALID_ARGUMENT", "queue is missing: parked list <queue> --group <id>");
  const head = ["message", "reason", "http", "outcome", "attempts", "first failure", "last failure", "bytes", "edited"];
  const messages = listMessages({ connection, queue, groupId, after });
  const shown = await showRows(output, head, messages, limit, (message) => [
    message.sequenceNumber,
    message.reason,
    message.httpStatus ?? "-",
    message.outcome,
    message.attempts,
    message.firstFailureAt ?? "-",
    message.lastFailureAt ?? "-",
    message.bytes,
    message.edited ? "yes" : "no",
  ]);
  output.document({ queue, groupId, messages: shown.rows, more: shown.more });
  if (shown.rows.length === 0) output.say(`nothing of group ${groupId} is parked in ${queue}`);
  if (shown.more) output.note(`more than ${limit} messages: --after ${shown.rows.at(-1)?.sequenceNumber} goes on`);
  return EXIT.done;
}

/** @returns what was shown, for the JSON document; nothing of it without `--json` but the last row */
async function showRows<Row>(
  output: Output,
  head: readonly string[],
  rows: AsyncIterable<Row>,
  limit: number,
  cells: (row: Row) => readonly (string | number)[],
): Promise<{ readonly rows: readonly Row[]; readonly more: boolean }> {
  const shown: Row[] = [];
  let more = false;
  let chunk: (readonly (string | number)[])[] = [];
  const flush = () => {
    if (chunk.length > 0) output.table(head, chunk);
    chunk = [];
  };
  for await (const row of rows) {
    more = shown.length === limit;
    if (more) break;
    shown.push(row);
    if (output.json) continue;
    chunk.push(cells(row));
    if (chunk.length === TABLE_ROWS) flush();
  }
  flush();
  return { rows: shown, more };
}

function showCommand(): Command {
  return withCommonOptions(new Command("show"))
    .description("shows one parked message, and what was discarded in its group")
    .argument("<queue>", "its name in main.ts")
    .argument("<group>", "the group's id")
    .argument("[sequence]", "the message's sequence number (default: the oldest, the one that blocks the group)")
    .option("--body", "bodies, too: they are people's data")
    .addOption(new Option("--payload", "nothing but the payload, as edit takes it").conflicts(["body", "json"]))
    .addHelpText(
      "after",
      examples("parked show queue-2 10 --deployment prod", "parked show queue-2 10 --payload --local > payload.json"),
    )
    .action(run(z.tuple([z.string(), z.string(), z.string().optional()]), showOptions, showOne));
}

async function showOne(
  { connection, options, output }: Context<z.output<typeof showOptions>>,
  queue: string,
  groupId: string,
  sequenceNumber?: string,
): Promise<number> {
  const message = { connection, queue, groupId, sequenceNumber };
  if (options.payload === true) {
    const payload = await readPayload(message);
    process.stdout.write(process.stdout.isTTY ? `${visible(payload)}\n` : payload);
    return EXIT.done;
  }
  const shown = await show({ ...message, body: options.body });
  output.document({ queue, groupId, ...shown });
  tellShown(output, shown);
  return EXIT.done;
}

function tellShown(output: Output, { message, original, discarded }: Shown): void {
  if (message !== undefined) {
    output.fields(fieldsOf(message, original));
    tellBody(output, "body", message.body);
    tellBody(output, "original body", original?.body);
  }
  if (discarded.length === 0) return;
  if (message !== undefined) output.say("");
  const head = ["discarded message", "at", "by control message", "reason", "bytes"];
  output.table(head, discarded.map(cellsOf));
  for (const { body } of discarded) tellBody(output, "body", body);
}

function cellsOf({ sequenceNumber, discardedAt, discardedBy, discardReason, bytes }: DiscardedSummary) {
  return [sequenceNumber, discardedAt, discardedBy, discardReason, bytes];
}

function fieldsOf(message: ParkedSummary, original: Shown["original"]): Record<string, string | number | undefined> {
  return {
    queue: message.queue,
    group: message.groupId,
    message: message.sequenceNumber,
    reason: message.reason,
    detail: message.detail,
    "HTTP status": message.httpStatus,
    outcome: message.outcome,
    attempts: message.attempts,
    "first failure": message.firstFailureAt,
    "last failure": message.lastFailureAt,
    sent: message.sentAt,
    parked: `${message.parkedAt} (${age(Date.parse(message.parkedAt), Date.now())} ago)`,
    "message id": message.messageId,
    "deduplication id": message.deduplicationId,
    "idempotency key": message.idempotencyKey,
    "stopped replay": message.stoppedBy,
    "edited by": message.editedBy,
    bytes: original === undefined ? message.bytes : `${message.bytes} (${original.bytes} when it was sent)`,
  };
}

function tellBody(output: Output, name: string, body: string | undefined): void {
  if (body !== undefined) output.say(`\n${output.bold(name)}\n${visible(body)}`);
}

function replayCommand(): Command {
  return withSendingOptions(withCommonOptions(new Command("replay")), "only say what would be delivered")
    .description(
      "has parked messages delivered again, each group in order, up to the first message that is refused again",
    )
    .argument("<queue>", "its name in main.ts")
    .argument("[group]", "the group's id")
    .option("--all", "every parked group of the queue")
    .addHelpText(
      "after",
      examples("parked replay queue-2 10 --deployment prod", "parked replay queue-2 --all --dry-run --local"),
    )
    .action(run(z.tuple([z.string(), z.string().optional()]), replayOptions, replayOnes));
}

async function replayOnes(
  { connection, options, output, signal }: Context<z.output<typeof replayOptions>>,
  queue: string,
  groupId?: string,
): Promise<number> {
  if ((groupId === undefined) === (options.all === undefined)) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "expected one of the two: parked replay <queue> <group>, or parked replay <queue> --all",
    );
  }
  if (options.dryRun === true) {
    const plans = await planReplay({ connection, queue, groupId });
    output.document({ dryRun: true, groups: plans });
    if (plans.length === 0) output.say(`nothing is parked in ${queue}`);
    else {
      const rows = plans.map((plan) => [plan.groupId, plan.messages, plan.oldest, plan.newest]);
      output.table(["group", "messages", "oldest", "newest"], rows);
      output.say("dry run: nothing was sent");
    }
    return EXIT.done;
  }
  const groups = await replay({
    connection,
    queue,
    groupId,
    wait: options.wait,
    timeoutSeconds: options.timeout,
    signal,
    onProgress: (progress) => output.progress(progressLine(progress)),
  });
  output.document({ groups });
  if (groups.length === 0) output.say(`nothing is parked in ${queue}`);
  for (const group of groups) tellReplayed(output, group, (...words) => commandLine(options, ...words));
  const results = new Set(groups.map(({ result, error }) => (error === undefined ? result : "not-sent")));
  if (results.has("not-sent")) return EXIT.failed;
  if (results.has("stopped")) return EXIT.stopped;
  return results.has("timed-out") ? EXIT.timedOut : EXIT.done;
}

function progressLine({ groups, groupsEnded, messages, remaining }: ReplayProgress): string {
  const of = groups === 1 ? "" : `, ${groupsEnded} of ${groups} groups done`;
  return `replay: ${messages - remaining} of ${messages} messages delivered${of}`;
}

function tellReplayed(output: Output, replayed: Replayed, next: (...words: readonly string[]) => string): void {
  const { queue, groupId, delivered, remaining, controlSequenceNumber, stoppedAt, error } = replayed;
  const group = `group ${groupId}: ${delivered} delivered`;
  switch (replayed.result) {
    case "delivered":
      return output.say(`${group}, nothing of it is parked any more`);
    case "stopped": {
      const because =
        stoppedAt === undefined ? "" : ` at ${stoppedAt.sequenceNumber}: ${stoppedAt.reason}, ${stoppedAt.detail}`;
      output.say(`${group}, stopped${because}; ${remaining} still parked`);
      return output.say(`  next: ${next("parked", "show", queue, groupId)}, then edit, discard or replay`);
    }
    case "timed-out":
      return output.say(`${group}, ${remaining} still parked; replay ${controlSequenceNumber} goes on without us`);
    case "sent":
      return output.say(
        `group ${groupId}: replay ${controlSequenceNumber} of ${remaining} sent${error === undefined ? "" : `; ${error}`}`,
      );
    case "not-sent":
      return output.say(`group ${groupId}: not sent, ${error}`);
  }
}

function discardCommand(): Command {
  return withSendingOptions(withCommonOptions(new Command("discard")), "only show what would be discarded")
    .description("takes one message out of the parking lot, undelivered, and leaves a tombstone")
    .argument("<queue>", "its name in main.ts")
    .argument("<group>", "the group's id")
    .argument("<sequence>", "the message's sequence number")
    .requiredOption("--reason <text>", "kept with the tombstone")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      examples('parked discard queue-2 10 18870000000000000001 --reason "order was cancelled" --deployment prod'),
    )
    .action(run(namedMessage, discardOptions, discardOne));
}

async function discardOne(
  { connection, options, output, signal }: Context<z.output<typeof discardOptions>>,
  queue: string,
  groupId: string,
  sequenceNumber: string,
): Promise<number> {
  const { reason, wait, timeout: timeoutSeconds } = options;
  const wanted: DiscardOptions = { connection, queue, groupId, sequenceNumber, reason, wait, timeoutSeconds, signal };
  const message = await planDiscard(wanted);
  output.fields(fieldsOf(message, undefined));
  if (options.dryRun === true) {
    output.document({ dryRun: true, message });
    output.say("dry run: nothing was sent");
    return EXIT.done;
  }
  await confirm(
    `discards message ${message.sequenceNumber} of group ${groupId} in ${queue} (${message.reason}, ${message.bytes} bytes), undelivered`,
    options.yes === true,
  );
  const discarded = await discard(wanted);
  output.document(discarded);
  const next =
    discarded.groupIsParked === true
      ? `what is behind it stays parked: ${commandLine(options, "parked", "replay", queue, groupId)}`
      : `nothing of group ${groupId} is parked any more`;
  return tellSent(output, discarded, "discard", `discarded; ${next}`);
}

function editCommand(): Command {
  return withSendingOptions(withCommonOptions(new Command("edit")), "only check the payload")
    .description("gives one parked message another payload; the one that was sent is kept")
    .argument("<queue>", "its name in main.ts")
    .argument("<group>", "the group's id")
    .argument("<sequence>", "the message's sequence number")
    .requiredOption("--file <path>", "the payload, what the producer would have sent; - is stdin")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      examples(
        "parked show queue-2 10 --payload --local > payload.json",
        "parked edit queue-2 10 18870000000000000001 --file payload.json --local",
      ),
    )
    .action(run(namedMessage, editOptions, editOne));
}

async function editOne(
  { connection, options, output, signal }: Context<z.output<typeof editOptions>>,
  queue: string,
  groupId: string,
  sequenceNumber: string,
): Promise<number> {
  const { wait, timeout: timeoutSeconds } = options;
  const payload = await readPayloadFile(options.file);
  const wanted = { connection, queue, groupId, sequenceNumber, payload, wait, timeoutSeconds, signal };
  const { message, bytes } = await planEdit(wanted);
  output.fields({ ...fieldsOf(message, undefined), "new bytes": bytes });
  if (options.dryRun === true) {
    output.document({ dryRun: true, message, bytes });
    output.say("dry run: nothing was sent");
    return EXIT.done;
  }
  await confirm(
    `replaces the body of message ${message.sequenceNumber} of group ${groupId} in ${queue} (${message.bytes} bytes) by one of ${bytes} bytes`,
    options.yes === true,
  );
  const edited = await edit(wanted);
  output.document(edited);
  const next = commandLine(options, "parked", "replay", queue, groupId);
  return tellSent(output, edited, "edit", `edited; to deliver it: ${next}`);
}

async function readPayloadFile(file: string): Promise<Uint8Array> {
  try {
    return await (file === "-" ? buffer(process.stdin) : readFile(file));
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "not readable";
    throw new OpsError("INVALID_ARGUMENT", `file is ${file}: ${why}; expected a file that holds the payload, or -`, {
      cause,
    });
  }
}

function tellSent(
  output: Output,
  sent: { readonly sequenceNumber: string; readonly controlSequenceNumber: string; readonly result: string },
  verb: string,
  done: string,
): number {
  const { sequenceNumber, controlSequenceNumber, result } = sent;
  switch (result) {
    case "sent":
      output.say(`${verb} ${controlSequenceNumber} of message ${sequenceNumber} sent`);
      return EXIT.done;
    case "timed-out":
      output.say(`${verb} ${controlSequenceNumber} of message ${sequenceNumber} goes on without us`);
      return EXIT.timedOut;
    case "gone":
      output.say(`message ${sequenceNumber} was delivered or discarded before the ${verb} came to it`);
      return EXIT.failed;
    default:
      output.say(`message ${sequenceNumber} ${done}`);
      return EXIT.done;
  }
}

function withSendingOptions(command: Command, dryRun: string): Command {
  return command
    .option("--no-wait", "send it, and do not wait for the effect")
    .option(
      "--timeout <seconds>",
      "how long to wait; what was sent goes on",
      wholeNumber(1, MOST_SECONDS),
      TIMEOUT_SECONDS,
    )
    .option("--dry-run", dryRun);
}
