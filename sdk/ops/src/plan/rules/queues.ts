import { deploymentOf, withoutFifo } from "../attributes.ts";
import { type Change, goes, was, will } from "../change.ts";
import { isDeadLetter } from "../hop.ts";
import type { Finding, Rule } from "../risk.ts";
import { differences, lowered, notKnown, raised } from "./comparison.ts";
import { days, howAndWhyItGoes, number } from "./wording.ts";

const TYPE = "aws_sqs_queue";

/** What can happen to messages in queues. */
export const queueRules: readonly Rule[] = [
  {
    id: "queue-lost",
    types: [TYPE],
    look: (change) => {
      if (!goes(change)) return [];
      const lost = isDeadLetter(change)
        ? "every message set aside in it that nobody has redriven"
        : "every message in it that is not delivered yet, and what was sent in the last five minutes counts as new again";
      return [
        {
          severity: "critical",
          ...howAndWhyItGoes(queueLabel(change), change),
          lost,
          instead: emptyFirst(change),
        },
      ];
    },
  },
  {
    id: "retention-shortened",
    types: [TYPE],
    look: (change) =>
      lowered(change, "message_retention_seconds", (before, after) => ({
        severity: "critical",
        what: `${queueLabel(change)} keeps messages for ${days(after)} instead of ${days(before)}`,
        reason: `message_retention_seconds ${before} -> ${after}`,
        // SQS, SetQueueAttributes.
        lost: `within 15 minutes, what is older than ${days(after)}; SQS tells nobody`,
        instead:
          "wait until the queue is empty (visible and not visible both 0). ApproximateAgeOfOldestMessage does not show it: it leaves out what was received again and again. Else apply delivery first, so that the consumer sets aside in time what would expire",
      })),
  },
  {
    id: "visibility-changed",
    types: [TYPE],
    look: (change) => {
      const attribute = "visibility_timeout_seconds";
      if (isDeadLetter(change)) return [];
      return [
        ...lowered(change, attribute, (before, after) => ({
          severity: "medium",
          what: `${queueLabel(change)} keeps a received message invisible for ${after} s instead of ${before} s`,
          reason: `${attribute} ${before} -> ${after}, while messages are in flight`,
          lost: "nothing, but an invocation that takes longer delivers its messages twice",
          instead: "keep it at 6 times the function's timeout at least, and apply a shorter timeout (delivery) first",
        })),
        ...raised(change, attribute, (before, after) => ({
          severity: "low",
          what: `${queueLabel(change)} keeps a received message invisible for ${after} s instead of ${before} s`,
          reason: `${attribute} ${before} -> ${after}, while messages are in flight`,
          lost: "nothing, but after a crash of the consumer a group waits that long",
          instead: "apply it before a longer timeout of the function (delivery), never after",
        })),
      ];
    },
  },
  {
    id: "deduplication-changed",
    types: [TYPE],
    look: (change) => {
      if (isDeadLetter(change)) return [];
      const attributes = ["content_based_deduplication", "deduplication_scope", "fifo_throughput_limit"];
      const open = notKnown(change, attributes, "whether duplicates are recognised differently");
      const reasons = differences(change, attributes);
      return reasons.length === 0 ? open : [deduplication(change, reasons), ...open];
    },
  },
  {
    id: "message-size-lowered",
    types: [TYPE],
    look: (change) =>
      isDeadLetter(change)
        ? []
        : lowered(change, "max_message_size", (before, after) => ({
            severity: "medium",
            what: `${queueLabel(change)} takes ${number(after)} bytes instead of ${number(before)}`,
            reason: `max_message_size ${before} -> ${after}`,
            lost: "every larger message: its producer gets a 413",
            instead: "ask the producers for their largest message first",
          })),
  },
];

function deduplication(change: Change, reasons: readonly string[]): Finding {
  const turnsTo = (attribute: string, value: unknown) => {
    const after = will(change, attribute);
    return after.known && after.value === value && was(change, attribute) !== value;
  };
  const isPerQueue = turnsTo("deduplication_scope", "queue");
  const isOff = turnsTo("content_based_deduplication", false);
  const lost = [
    // SQS, MessageDeduplicationId: "accepted successfully but isn't delivered".
    ...(isPerQueue
      ? [
          "every message whose idempotency-key was used in another group in the last five minutes: SQS answers as if it had taken it",
        ]
      : []),
    ...(isOff ? ["every send without an idempotency-key: SQS refuses it"] : []),
    ...(turnsTo("fifo_throughput_limit", "perQueue")
      ? ["more than 300 sends a second (3,000 messages in batches)"]
      : []),
  ];
  return {
    severity: isPerQueue ? "critical" : isOff ? "high" : "medium",
    what: `${queueLabel(change)} recognises duplicates differently`,
    reason: `${reasons.join(", ")}, under load`,
    lost:
      lost.length > 0
        ? lost.join("; ")
        : "for five minutes, what was sent before and is sent again may be delivered twice, or taken for a duplicate",
    instead: isPerQueue
      ? "leave deduplication_scope at messageGroup and fifo_throughput_limit at perMessageGroupId"
      : "apply it while no producer sends, and wait five minutes, SQS's deduplication interval",
  };
}

function emptyFirst(change: Change): string {
  const [deployment, queue] = split(change);
  if (isDeadLetter(change)) {
    const where = `${queue.replace(/-dead-letter$/, "")} --deployment ${deployment}`;
    return `empty it first: \`fifo-ops dlq list ${where}\`, then \`dlq redrive\` or \`dlq discard\``;
  }
  if (change.action === "replace")
    return "keep it as it is, add a queue with the new settings beside it, move the producers, and take this one out once it is empty";
  return `move its producers first, wait until ApproximateNumberOfMessagesVisible and NotVisible are 0 and nothing is parked (\`fifo-ops parked list ${queue} --deployment ${deployment}\`), then take it out`;
}

/** The deployment and the queue's name in `main.ts`, by the tag that every resource of the stacks has. */
function split(change: Change): [string, string] {
  const name = withoutFifo(was(change, "name"));
  const deployment = deploymentOf(change.before);
  return deployment !== undefined && name.startsWith(`${deployment}-`)
    ? [deployment, name.slice(deployment.length + 1)]
    : ["<deployment>", name];
}

/** `queue prod-queue-1`, or `dead-letter queue prod-queue-1-dead-letter`. */
export function queueLabel(change: Change): string {
  const name = change.before?.["name"] ?? change.after?.["name"] ?? change.name;
  return `${isDeadLetter(change) ? "dead-letter queue" : "queue"} ${withoutFifo(name)}`;
}
