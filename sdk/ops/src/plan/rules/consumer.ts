import { blocks, texts, withoutFifo } from "../attributes.ts";
import { type Change, goes, isSame, stays, was, will } from "../change.ts";
import { isDeadLetter } from "../hop.ts";
import { goesAlone, isGone } from "../owner.ts";
import type { Plan } from "../plan.ts";
import type { Finding, NotKnown, Rule } from "../risk.ts";
import { becomes, compared, differing } from "./comparison.ts";
import { howAndWhyItGoes } from "./wording.ts";

const FUNCTION = "aws_lambda_function";
const EVENT_SOURCE = "aws_lambda_event_source_mapping";
const QUEUE = "aws_sqs_queue";

/** Lambda's rule for SQS event sources: "Set the visibility timeout to at least six times the function's timeout". */
const TIMEOUTS = 6;

const WAITS = "every message older than the queue's retention; until then groups wait, in order";

/** What can happen between queues and the backend. */
export const consumerRules: readonly Rule[] = [
  {
    id: "consumer-stopped",
    types: [FUNCTION],
    look: (change) => {
      const label = `function ${change.before?.["function_name"] ?? change.name}`;
      if (goes(change)) {
        const instead = "keep the function; its code and settings change in place";
        const severity = change.action === "replace" ? "medium" : "high";
        return [{ severity, ...howAndWhyItGoes(label, change, "another one"), lost: WAITS, instead }];
      }
      const concurrency = "reserved_concurrent_executions";
      const instead = "take the reservation away (-1), or reserve at least the sum of the queues' maximumConcurrency";
      // Event sources go on receiving for a function that is throttled, and each receive counts (Lambda, "SQS event source scaling").
      const lost =
        "nothing at first; throttled receives count, so that after some days a redrive policy moves heads of groups away, and after the retention messages go without a word";
      return [
        ...becomes(change, concurrency, 0, "whether the function is stopped", () => ({
          severity: "high",
          what: `${label} is stopped`,
          reason: differing(change, concurrency) ?? `${concurrency} 0`,
          lost,
          instead,
        })),
        ...compared(change, concurrency, (before, after) => {
          // -1 is no reservation.
          if (after <= 0 || before <= after) return undefined;
          return {
            severity: "medium",
            what: `${label} may run ${after} times at once instead of ${before}`,
            reason: `${concurrency} ${before} -> ${after}`,
            lost: "speed; where it is less than the event sources ask for, they are throttled, and throttled receives count",
            instead,
          };
        }),
      ];
    },
  },
  {
    id: "consumer-stopped",
    types: [EVENT_SOURCE],
    look: (change, { plan, plans }) => {
      // With its queue: that has been told.
      if (goes(change) && isGone(String(was(change, "event_source_arn")), plans)) return [];
      const label = `the event source mapping of ${queueName(was(change, "event_source_arn"))}`;
      if (goesAlone(change, plan)) {
        return [
          {
            severity: change.action === "replace" ? "medium" : "high",
            ...howAndWhyItGoes(label, change, "another one"),
            lost: WAITS,
            instead: "keep it as long as the queue is there",
          },
        ];
      }
      return becomes(change, "enabled", false, "whether the consumer goes on", () => ({
        severity: "high",
        what: `${label} is switched off`,
        reason: "enabled true -> false",
        lost: WAITS,
        instead: "leave it on: while the backend is away, groups wait by themselves",
      }));
    },
  },
  {
    id: "failures-count-as-done",
    types: [EVENT_SOURCE],
    look: (change) => {
      if (change.after === undefined || change.action === "none") return [];
      const after = will(change, "function_response_types");
      if (!after.known)
        return [{ unknown: "function_response_types", what: "whether Lambda listens to which messages failed" }];
      if (listens(after.value) || (stays(change) && !listens(was(change, "function_response_types")))) return [];
      return [
        {
          severity: "critical",
          what: `Lambda takes every batch of ${queueName(change.after["event_source_arn"])} for delivered`,
          reason: "function_response_types is without ReportBatchItemFailures",
          lost: "every message that the backend did not take: the consumer names it in its answer, and Lambda deletes it all the same",
          instead: 'keep function_response_types = ["ReportBatchItemFailures"]',
        },
      ];
    },
  },
  {
    id: "messages-filtered",
    types: [EVENT_SOURCE],
    look: (change) => {
      if (change.after === undefined || change.action === "none") return [];
      const after = will(change, "filter_criteria");
      if (!after.known) return [{ unknown: "filter_criteria", what: "whether Lambda throws messages away" }];
      if (isSame(after.value, undefined) || filters(after.value) === filters(was(change, "filter_criteria"))) return [];
      return [
        {
          severity: "critical",
          what: `Lambda throws away messages of ${queueName(change.after["event_source_arn"])} that a filter does not match`,
          reason: "filter_criteria differs",
          lost: 'every message that does not match: Lambda deletes it from the queue undelivered (Lambda, "Using event filtering with an Amazon SQS event source")',
          instead: "decide in the backend what to do with a message",
        },
      ];
    },
  },
  {
    id: "visibility-too-short",
    types: [FUNCTION, QUEUE],
    look: lookAtVisibility,
  },
];

/** Looks at the timeouts of a deployment's function and its queues, each in its own stack, where both plans are there. */
function lookAtVisibility(change: Change, { plans }: { readonly plans: readonly Plan[] }): (Finding | NotKnown)[] {
  if (change.origin === "outside" || change.after === undefined) return [];
  const here = plans
    .filter(({ stack }) => deploymentOf(stack) === deploymentOf(change.stack))
    .flatMap(({ changes }) => changes);
  // Where there are several, the one that takes longest.
  const [lambda] = here
    .filter(({ type, after }) => type === FUNCTION && typeof after?.["timeout"] === "number")
    .toSorted((a, b) => Number(b.after?.["timeout"]) - Number(a.after?.["timeout"]));
  const timeout = lambda?.after?.["timeout"];
  if (typeof timeout !== "number") return [];
  const queues = change.type === FUNCTION ? here.filter(({ type }) => type === QUEUE) : [change];
  return queues
    .filter((queue) => !isDeadLetter(queue) && queue.after !== undefined)
    .flatMap((queue): Finding[] => {
      const visibility = queue.after?.["visibility_timeout_seconds"];
      if (typeof visibility !== "number" || visibility >= TIMEOUTS * timeout) return [];
      const differs = [lambda, queue].some((one) => one !== undefined && isAnotherTimeout(one));
      // Told once: at the queue when that changes, else at the function.
      if (!differs || isAnotherTimeout(queue) !== (change.type === QUEUE)) return [];
      return [
        {
          severity: visibility < timeout ? "high" : "medium",
          what: `queue ${withoutFifo(queue.after?.["name"])} shows messages again ${visibility < timeout ? "while they are being delivered" : "before throttled retries are over"}`,
          reason: `visibility_timeout_seconds ${visibility} is less than ${visibility < timeout ? "" : `${TIMEOUTS} x `}the function's timeout of ${timeout} s`,
          lost:
            visibility < timeout
              ? "the order of deliveries: SQS shows a group's messages again while an invocation still delivers them; and Lambda refuses to make or change the event source mapping"
              : "nothing, but groups stand still: throttled retries find their messages taken by another invocation, and drop them",
          instead: `set visibilityTimeoutSeconds to ${TIMEOUTS * timeout} at least, and apply messaging before delivery`,
        },
      ];
    });
}

/** `prod` of the stack `prod-messaging`. */
function deploymentOf(stack: string): string {
  return stack.replace(/-[a-z]+$/, "");
}

function isAnotherTimeout(change: Change): boolean {
  const attribute = change.type === FUNCTION ? "timeout" : "visibility_timeout_seconds";
  return change.action !== "none" && !isSame(was(change, attribute), change.after?.[attribute]);
}

/** Patterns of a filter: any of them lets a message through, so their order says nothing. */
function filters(criteria: unknown): string {
  return JSON.stringify(
    blocks({ criteria }, "criteria")
      .flatMap((block) => blocks(block, "filter").map(({ pattern }) => String(pattern)))
      .toSorted(),
  );
}

/** Whether Lambda hears which messages failed. */
function listens(types: unknown): boolean {
  return texts(types).includes("ReportBatchItemFailures");
}

function queueName(arn: unknown): string {
  return typeof arn === "string" ? `queue ${withoutFifo(arn.split(":").at(-1))}` : "a queue";
}
