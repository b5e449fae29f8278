import { z } from "zod";
import { type Change, isSame, shown, stays, was, will } from "../change.ts";
import { isDeadLetter } from "../hop.ts";
import { goesAlone, isNew, movesToOther } from "../owner.ts";
import type { Finding, NotKnown, Rule, Surroundings } from "../risk.ts";
import { isSetElsewhere } from "../set-elsewhere.ts";
import { queueLabel } from "./queues.ts";

const QUEUE = "aws_sqs_queue";
const REDRIVE = "aws_sqs_queue_redrive_policy";
const ATTRIBUTE = "redrive_policy";

/**
 * So many receives of the consumer's growing waits last three days on average: no outage that short may move a message
 * (`OUTAGE_RECEIVES` of the stacks).
 */
const OUTAGE_RECEIVES = 960;

const NEVER =
  "the order of each group whose first message is, or will be, received that often: SQS moves head after head away, and those behind pass";

/** What can happen to the order of a queue by SQS's own redrive. */
export const redriveRules: readonly Rule[] = [
  {
    id: "redrive-changed",
    // On the queue, or as a resource of its own.
    types: [QUEUE, REDRIVE],
    look: lookAtRedrive,
  },
];

function lookAtRedrive(change: Change, { plan }: Surroundings): (Finding | NotKnown)[] {
  // The queue's own is what its redrive policy's resource sets: that one is looked at.
  if (isDeadLetter(change) || isNew(change) || isSetElsewhere(change, ATTRIBUTE, plan)) return [];
  const isCreated = change.type === REDRIVE && change.action === "create";
  const isDropped = change.type === REDRIVE && change.action === "destroy" && goesAlone(change, plan);
  if (isDropped) return [dropped(change)];
  const isAnew = change.type === REDRIVE && change.action === "replace";
  if (!stays(change) && !isCreated && !isAnew) return [];
  // With its queue: the new one holds nothing yet.
  if (isAnew && !will(change, "queue_url").known) return [];
  const after = will(change, ATTRIBUTE);
  const before = isCreated || movesToOther(change) ? undefined : was(change, ATTRIBUTE);
  if (!after.known) {
    if (isSame(before, undefined) && change.type === REDRIVE) return [gained(change, undefined)];
    return change.configured?.has(ATTRIBUTE) === false
      ? []
      : [{ unknown: ATTRIBUTE, what: "whether SQS moves messages away differently" }];
  }
  if (isSame(before, after.value)) return [];
  if (isSame(before, undefined)) return [gained(change, after.value)];
  if (isSame(after.value, undefined)) return [dropped(change)];
  return altered(change, before, after.value);
}

function gained(change: Change, value: unknown): Finding {
  const count = redriveOf(value)?.maxReceiveCount ?? 0;
  return {
    severity: count < OUTAGE_RECEIVES ? "critical" : "high",
    what: `SQS moves messages of ${queueOf(change)} away, which it did not before`,
    reason: `${ATTRIBUTE} none -> ${value === undefined ? "known after the apply" : shown(change, ATTRIBUTE, value)}`,
    lost: `${NEVER}. Under failure policy park that must never be`,
    instead:
      "under park, leave it out; for another failure policy, let the queue and its parking lot run empty first (docs/order-and-loss.md, F43 and F44)",
  };
}

function dropped(change: Change): Finding {
  return {
    severity: "medium",
    what: `SQS moves no messages of ${queueOf(change)} away any more`,
    reason: `${ATTRIBUTE} ${shown(change, ATTRIBUTE, was(change, ATTRIBUTE))} -> none`,
    lost: "the backstop: a message that ends the consumer comes back until its retention ends, and its group waits",
    instead:
      "keep it under failure policy dead-letter; for park, let the queue run empty first (docs/order-and-loss.md, F43)",
  };
}

function altered(change: Change, before: unknown, after: unknown): Finding[] {
  const [old, next] = [redriveOf(before), redriveOf(after)];
  const reason = `${ATTRIBUTE} ${shown(change, ATTRIBUTE, before)} -> ${shown(change, ATTRIBUTE, after)}, while messages are in flight`;
  const instead = `keep maxReceiveCount at ${OUTAGE_RECEIVES} or more, which an outage of three days does not reach, and apply it while nothing waits`;
  if (old === undefined || next === undefined || next.maxReceiveCount < old.maxReceiveCount) {
    const isFew = (next?.maxReceiveCount ?? 0) < OUTAGE_RECEIVES;
    return [
      {
        severity: isFew ? "critical" : "medium",
        what: `SQS moves messages of ${queueOf(change)} away ${isFew ? "in a short outage" : "sooner"}`,
        reason,
        lost: isFew
          ? NEVER
          : "a message that was received more often than the new limit is dead-lettered at its next receive, untried",
        instead,
      },
    ];
  }
  if (old.deadLetterTargetArn === next.deadLetterTargetArn) return [];
  return [
    {
      severity: "medium",
      what: `SQS moves messages of ${queueOf(change)} to another place`,
      reason,
      lost: "the place that people look in: fifo-ops dlq knows the queue's own dead-letter queue only",
      instead: "keep the queue's own dead-letter queue",
    },
  ];
}

const redriveSchema = z.object({ deadLetterTargetArn: z.string().optional(), maxReceiveCount: z.coerce.number() });

function redriveOf(text: unknown): z.output<typeof redriveSchema> | undefined {
  try {
    return redriveSchema.parse(JSON.parse(String(text)));
  } catch {
    return undefined;
  }
}

/** The queue that a policy belongs to, by its URL where that is known. */
function queueOf(change: Change): string {
  if (change.type === QUEUE) return queueLabel(change);
  const url = change.after?.["queue_url"] ?? change.before?.["queue_url"];
  const name = typeof url === "string" ? url.split("/").at(-1) : undefined;
  return `queue ${name?.replace(/\.fifo$/, "") ?? change.name}`;
}
