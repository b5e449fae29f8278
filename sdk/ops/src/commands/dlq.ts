import { Command } from "commander";
import { z } from "zod";
import { confirm } from "../confirm.ts";
import {
  type DeadLetter,
  type DeadLetterQueue,
  type DiscardReport,
  type DiscardSelection,
  type DlqProgress,
  discardDeadLetters,
  listDeadLetters,
  planRedrive,
  type RedriveReport,
  type RedriveSelection,
  redriveDeadLetters,
  showDeadLetter,
} from "../dlq/index.ts";
import { EXIT, OpsError } from "../errors.ts";
import { checkGroupId, deadLetterUrl, queueUrl } from "../names.ts";
import { age, type Output, visible } from "../output.ts";
import { commandLine, examples } from "./command-line.ts";
import { type CommonOptions, type Context, commonOptions, flag, run, wholeNumber, withCommonOptions } from "./run.ts";

const listOptions = commonOptions.extend({ group: z.string().optional(), limit: z.number() });
const showOptions = commonOptions.extend({ body: flag });
const redriveOptions = commonOptions.extend({
  group: z.string().optional(),
  message: z.string().optional(),
  all: flag,
  dryRun: flag,
});
type RedriveOptions = z.output<typeof redriveOptions>;
const discardOptions = commonOptions.extend({ group: z.string().optional(), yes: flag, dryRun: flag });
type DiscardOptions = z.output<typeof discardOptions>;

const LIST_LIMIT = 100;
const MOST_LISTED = 1_000_000;
/** Messages that a question names one by one. */
const NAMED_IN_QUESTION = 10;
/** Between two lines of progress, in milliseconds. */
const PROGRESS_MILLISECONDS = 500;
const TEN_SEEN = "SQS shows at most the first ten messages of a group";

/** `fifo-ops dlq ...`: the verbs for dead-letter queues. */
export function dlqCommand(): Command {
  return new Command("dlq")
    .description("dead-letter queues: what the backend refused while its group went on (failure policy dead-letter)")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(redriveCommand())
    .addCommand(discardCommand());
}

function listCommand(): Command {
  return withCommonOptions(new Command("list"))
    .description(`lists dead-lettered messages; never bodies. ${TEN_SEEN}, and hides them while it looks`)
    .argument("<queue>", "its name in main.ts")
    .option("--group <id>", "only this group")
    .option("--limit <n>", "rows at most", wholeNumber(1, MOST_LISTED), LIST_LIMIT)
    .addHelpText("after", examples("dlq list queue-1 --deployment prod", "dlq list queue-1 --group 10 --local --json"))
    .action(run(z.tuple([z.string()]), listOptions, list));
}

async function list(
  { connection, options, output, signal }: Context<z.output<typeof listOptions>>,
  name: string,
): Promise<number> {
  const { group: groupId, limit } = options;
  const progress = counting(output, "received");
  const queue = await find(connection, name, groupId);
  const listed = await listDeadLetters(queue, {
    ...(groupId === undefined ? {} : { groupId }),
    limit,
    signal,
    progress,
  });
  output.document({ queue: name, ...listed });
  if (listed.messages.length > 0) tellMessages(output, listed.messages);
  else
    output.say(
      `nothing${groupId === undefined ? "" : ` of group ${groupId}`} to be seen in the dead-letter queue of ${name}`,
    );
  if (groupId === undefined && listed.notSeen > 0) {
    output.note(
      `not listed: about ${listed.notSeen} of ${plural(listed.total, "message")}, behind the tenth of their group, with somebody else, ` +
        "or beyond --limit",
    );
  }
  if (groupId !== undefined && listed.fullGroups.includes(groupId)) {
    output.note(`group ${groupId} may have more: ${TEN_SEEN}`);
  }
  if (listed.ended === "interrupted") tellInterrupted(output);
  tellHidden(output, listed.stillHidden);
  return EXIT.done;
}

function showCommand(): Command {
  return withCommonOptions(new Command("show"))
    .description("shows one dead-lettered message")
    .argument("<queue>", "its name in main.ts")
    .argument("<message>", "its message id, as dlq list shows it")
    .option("--body", "its body, too: it is people's data")
    .addHelpText("after", examples("dlq show queue-1 5fea7756-0ea4-451a-a703-a558b933e274 --body --local"))
    .action(run(z.tuple([z.string(), z.string()]), showOptions, show));
}

async function show(
  { connection, options, output, signal }: Context<z.output<typeof showOptions>>,
  name: string,
  messageId: string,
): Promise<number> {
  const queue = await find(connection, name);
  const { message: shown, ended, stillHidden } = await showDeadLetter(queue, messageId, { signal });
  if (shown === undefined) {
    if (ended !== "interrupted") throw notFound(options, name, [messageId]);
    output.document({ queue: name, ended, stillHidden });
    tellInterrupted(output);
    tellHidden(output, stillHidden);
    return EXIT.interrupted;
  }
  const { body, before, ...message } = shown;
  output.document({ queue: name, ...message, before, ended, stillHidden, ...(options.body === true ? { body } : {}) });
  output.fields({
    queue: name,
    group: message.groupId,
    message: message.messageId,
    "sequence number": message.sequenceNumber,
    "before it in its group": before,
    reason: message.reason,
    detail: message.detail,
    "HTTP status": message.httpStatus,
    "dead-lettered": `${message.deadLetteredAt} (${age(Date.parse(message.deadLetteredAt), Date.now())} ago)`,
    "original message": message.originalMessageId,
    "original sequence number": message.originalSequenceNumber,
    "idempotency key": message.idempotencyKey,
    "control message": message.control,
    bytes: message.bytes,
  });
  if (options.body === true) output.say(`\n${output.bold("body")}\n${visible(body)}`);
  tellHidden(output, stillHidden);
  return EXIT.done;
}

function redriveCommand(): Command {
  return withCommonOptions(new Command("redrive"))
    .description(
      "moves messages back to the end of their queue, each group in order, under their first idempotency keys",
    )
    .argument("<queue>", "its name in main.ts")
    .option("--group <id>", "this group")
    .option("--message <id>", "this message only: it overtakes those before it in its group")
    .option("--all", "every group")
    .option("--dry-run", "only list what would be moved, in order")
    .addHelpText(
      "after",
      examples("dlq redrive queue-1 --group 10 --deployment prod", "dlq redrive queue-1 --all --dry-run --local"),
    )
    .action(run(z.tuple([z.string()]), redriveOptions, redrive));
}

async function redrive(
  { connection, options, output, signal }: Context<RedriveOptions>,
  name: string,
): Promise<number> {
  const selection = selectRedrive(options);
  const queue = await find(connection, name, options.group);
  if (options.dryRun === true) return tellPlan({ connection, options, output, signal }, queue, name, selection);
  const progress = counting(output, "moved");
  const report = await redriveDeadLetters(queue, selection, { signal, progress });
  if ("messageId" in selection && report.ended === "complete" && report.moved.length + report.kept.length === 0) {
    throw notFound(options, name, [selection.messageId]);
  }
  output.document({ queue: name, ...report });
  const { overtakes = 0 } = report;
  if ("messageId" in selection && report.moved.length > 0 && overtakes > 0) {
    output.note(`message ${selection.messageId} overtook ${plural(overtakes, "message")} before it in its group`);
  }
  return tellRedriven(output, name, report);
}

function selectRedrive({ group, message, all }: RedriveOptions): RedriveSelection {
  const given = [group, message, all].filter((option) => option !== undefined);
  if (given.length === 1) {
    if (group !== undefined) return { groupId: group };
    if (message !== undefined) return { messageId: message };
    return { all: true };
  }
  throw new OpsError("INVALID_ARGUMENT", "expected one of the three: --group <id>, --message <id>, or --all");
}

async function tellPlan(
  { options, output, signal }: Context<RedriveOptions>,
  queue: DeadLetterQueue,
  name: string,
  selection: RedriveSelection,
): Promise<number> {
  const plan = await planRedrive(queue, selection, { signal, progress: counting(output, "received") });
  if ("messageId" in selection && plan.ended === "complete" && plan.moves.length === 0) {
    throw notFound(options, name, [selection.messageId]);
  }
  output.document({ queue: name, dryRun: true, ...plan });
  const rows = plan.moves.map(({ message, stays }) => [
    message.groupId,
    message.messageId,
    message.reason,
    message.bytes,
    stays === undefined ? "moves" : `stays: ${stays.detail}`,
  ]);
  if (rows.length > 0) output.table(["group", "message", "reason", "bytes", "redrive"], rows);
  else output.say(`nothing to be seen in the dead-letter queue of ${name}`);
  if ((plan.overtakes ?? 0) > 0) output.say(`it would overtake ${plan.overtakes} of its group that stand before it`);
  if (plan.fullGroups.length > 0)
    output.note(`more may stand behind these in ${plural(plan.fullGroups.length, "group")}, and would be moved too`);
  if ((plan.notSeen ?? 0) > 0)
    output.note(`not to be seen: about ${plural(plan.notSeen ?? 0, "more message")}. ${TEN_SEEN}`);
  if (plan.ended === "interrupted") tellInterrupted(output);
  tellHidden(output, plan.stillHidden);
  output.say("dry run: nothing was moved");
  return EXIT.done;
}

function tellRedriven(output: Output, name: string, report: RedriveReport): number {
  const { moved, kept, ended, error, remaining, stillHidden } = report;
  const groups = new Set(moved.map(({ groupId }) => groupId)).size;
  output.say(`${plural(moved.length, "message")} of ${plural(groups, "group")} moved back to ${name}`);
  if (kept.length > 0) {
    const rows = kept.map(({ groupId, messageId, reason, detail }) => [groupId, messageId, reason, detail]);
    output.table(["group", "message that stays", "why", "detail"], rows);
  }
  if (ended !== "complete")
    output.note(`redrive ${ended}${error === undefined ? "" : `: ${error}`}; what was not moved stays in order`);
  if ((remaining ?? 0) > 0) output.note(`in the dead-letter queue now: about ${plural(remaining ?? 0, "message")}`);
  tellHidden(output, stillHidden);
  return kept.length > 0 || ended !== "complete" ? EXIT.failed : EXIT.done;
}

function discardCommand(): Command {
  return withCommonOptions(new Command("discard"))
    .description("deletes dead-lettered messages, for good")
    .argument("<queue>", "its name in main.ts")
    .argument("[messages...]", "their message ids, as dlq list shows them")
    .option("--group <id>", "all messages of this group")
    .option("--yes", "do not ask")
    .option("--dry-run", "only show what would be deleted")
    .addHelpText(
      "after",
      examples(
        "dlq discard queue-1 5fea7756-0ea4-451a-a703-a558b933e274 --deployment prod",
        "dlq discard queue-1 --group 10 --dry-run --local",
      ),
    )
    .action(run(z.tuple([z.string(), z.array(z.string())]), discardOptions, discard));
}

async function discard(
  { connection, options, output, signal }: Context<DiscardOptions>,
  name: string,
  messageIds: readonly string[],
): Promise<number> {
  const selection = selectDiscard(options, messageIds);
  const queue = await find(connection, name, options.group);
  // Looked at first, and given back: whoever is asked may take all day, and nothing is hidden from others meanwhile.
  const listed = await listDeadLetters(queue, {
    ...("groupId" in selection ? { groupId: selection.groupId } : {}),
    signal,
    progress: counting(output, "received"),
  });
  if (listed.ended === "interrupted") {
    output.document({ queue: name, discarded: [], ended: listed.ended, stillHidden: listed.stillHidden });
    tellInterrupted(output);
    tellHidden(output, listed.stillHidden);
    output.say("nothing was deleted");
    return EXIT.interrupted;
  }
  const named = listed.messages.filter(({ messageId }) => "groupId" in selection || messageIds.includes(messageId));
  if (named.length === 0)
    throw notFound(options, name, "groupId" in selection ? [`of group ${selection.groupId}`] : messageIds);
  const unseen =
    "groupId" in selection ? [] : messageIds.filter((id) => !named.some(({ messageId }) => messageId === id));
  if (!output.json) tellMessages(output, named);
  if (options.dryRun === true) {
    output.document({ queue: name, dryRun: true, messages: named, notFound: unseen });
    if (unseen.length > 0) output.note(`not to be seen: ${unseen.join(", ")}`);
    output.say("dry run: nothing was deleted");
    return EXIT.done;
  }
  await confirm(question(name, selection, named, unseen), options.yes === true);
  const report = await discardDeadLetters(queue, selection, { signal, progress: counting(output, "discarded") });
  output.document({ queue: name, ...report });
  return tellDiscarded(output, name, report);
}

function selectDiscard({ group }: DiscardOptions, messageIds: readonly string[]): DiscardSelection {
  if ((group === undefined) === (messageIds.length === 0)) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "expected one of the two: dlq discard <queue> <message>..., or dlq discard <queue> --group <id>",
    );
  }
  return group === undefined ? { messageIds } : { groupId: group };
}

function question(
  name: string,
  selection: DiscardSelection,
  named: readonly DeadLetter[],
  unseen: readonly string[],
): string {
  const lines = named
    .slice(0, NAMED_IN_QUESTION)
    .map(({ messageId, groupId, reason, bytes }) => `${messageId} of group ${groupId} (${reason}, ${bytes} bytes)`);
  const more = named.length > lines.length ? `, and ${named.length - lines.length} more` : "";
  const behind =
    "groupId" in selection ? `, and all of group ${selection.groupId} that is behind them or comes meanwhile` : "";
  const absent = unseen.length === 0 ? "" : `, and, if they come to be seen, ${unseen.join(", ")}`;
  return `deletes for good from the dead-letter queue of ${name}: ${lines.join(", ")}${more}${behind}${absent}`;
}

function tellDiscarded(output: Output, name: string, report: DiscardReport): number {
  const { discarded, failed, notFound: absent, ended, error, stillHidden } = report;
  output.say(`${plural(discarded.length, "message")} deleted from the dead-letter queue of ${name}`);
  if (failed.length > 0) {
    const rows = failed.map(({ groupId, messageId, detail }) => [groupId, messageId, detail]);
    output.table(["group", "message", "not deleted for sure"], rows);
  }
  if (absent.length > 0) output.note(`not deleted, since not to be seen: ${absent.join(", ")}`);
  if (ended !== "complete") output.note(`discard ${ended}${error === undefined ? "" : `: ${error}`}`);
  tellHidden(output, stillHidden);
  return failed.length + absent.length > 0 || ended !== "complete" ? EXIT.failed : EXIT.done;
}

async function find(
  connection: Context<CommonOptions>["connection"],
  name: string,
  groupId?: string,
): Promise<DeadLetterQueue> {
  if (groupId !== undefined) checkGroupId(groupId);
  const [source, deadLetters] = await Promise.all([queueUrl(connection, name), deadLetterUrl(connection, name)]);
  return { sqs: connection.sqs, queueUrl: source, deadLetterUrl: deadLetters };
}

function tellMessages(output: Output, messages: readonly DeadLetter[]): void {
  const head = [
    "group",
    "message",
    "reason",
    "detail",
    "http",
    "dead-lettered",
    "bytes",
    "original message",
    "original sequence",
  ];
  output.table(
    head,
    messages.map((message) => [
      message.groupId,
      message.messageId,
      message.control === undefined ? message.reason : `${message.reason} (control: ${message.control})`,
      message.detail ?? "-",
      message.httpStatus ?? "-",
      message.deadLetteredAt,
      message.bytes,
      message.originalMessageId,
      message.originalSequenceNumber ?? "-",
    ]),
  );
}

function tellInterrupted(output: Output): void {
  output.note("interrupted before all was seen");
}

function tellHidden(output: Output, stillHidden: number): void {
  if (stillHidden > 0) output.note(`not given back: ${plural(stillHidden, "message")}, visible again within a minute`);
}

/** Tells the count of what happened, a few times a second at most. */
function counting(output: Output, kind: "received" | "moved" | "discarded"): (event: DlqProgress) => void {
  let count = 0;
  let toldAt = Date.now();
  return (event) => {
    if (event.kind === "stopped") output.note(`group ${event.groupId} stopped: ${event.reason}`);
    if (event.kind !== kind) return;
    count += event.kind === "received" ? event.messages : 1;
    if (Date.now() - toldAt < PROGRESS_MILLISECONDS) return;
    toldAt = Date.now();
    output.progress(`${plural(count, "message")} ${kind}`);
  };
}

function notFound(options: CommonOptions, name: string, what: readonly string[]): OpsError {
  return new OpsError(
    "NOT_DEAD_LETTERED",
    `the dead-letter queue of ${name} shows no message ${what.join(", ")}: gone, or with somebody else for a moment, or behind ` +
      `others (${TEN_SEEN}). ${commandLine(options, "dlq", "list", name)} shows what can be seen`,
  );
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
