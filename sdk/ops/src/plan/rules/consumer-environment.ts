import { z } from "zod";
import { blocks, record } from "../attributes.ts";
import { type Change, stays } from "../change.ts";
import type { Finding, Rule } from "../risk.ts";

const FUNCTION = "aws_lambda_function";

/** What can happen by what the consumer is told in its environment (`runtime/consumer/environment.ts`). */
export const consumerEnvironmentRules: readonly Rule[] = [
  {
    id: "failure-policy-changed",
    types: [FUNCTION],
    look: (change) => {
      if (!stays(change)) return [];
      const after = environment(change, "QUEUES");
      if (after === "unknown") return [{ unknown: "environment", what: "whether a queue's failure policy changes" }];
      const [before, next] = [policies(variable(change.before, "QUEUES")), policies(after)];
      if (before === undefined || next === undefined)
        return [{ unknown: "environment", what: "whether a queue's failure policy changes: QUEUES cannot be read" }];
      const [had, table] = ["before", "after"].map((when) =>
        variable(when === "before" ? change.before : change.after, "PARKING_LOT_TABLE"),
      );
      const isElsewhere = had !== undefined && environment(change, "PARKING_LOT_TABLE") !== "unknown" && table !== had;
      const moved: Finding[] = isElsewhere
        ? [
            {
              severity: "critical",
              what: "the consumer looks for parked messages in another table",
              reason: `PARKING_LOT_TABLE ${had} -> ${table ?? "none"}`,
              lost: "the order of every parked group: what follows passes what is parked in the old table",
              instead: "keep the table; replay or discard everything first if it has to be",
            },
          ]
        : [];
      return [
        ...moved,
        ...[...next].flatMap(([queue, policy]) => {
          const old = before.get(queue);
          if (old === undefined || old === policy) return [];
          return [
            {
              severity: "critical",
              what: `${queue} treats refused messages differently`,
              reason: `failurePolicy ${old} -> ${policy} in the consumer's environment, while messages are in flight`,
              lost: "the order of groups that have parked messages or a dead-lettered one: what follows is treated the new way",
              instead: "let the queue and its parking lot run empty first (docs/order-and-loss.md, F43 and F44)",
            } as const,
          ];
        }),
      ];
    },
  },
  {
    id: "backend-changed",
    types: [FUNCTION],
    look: (change) => {
      if (!stays(change)) return [];
      const after = environment(change, "BACKEND_URL");
      if (after === "unknown") return [{ unknown: "environment", what: "whether messages go to another backend" }];
      const before = variable(change.before, "BACKEND_URL");
      if (before === undefined || before === after) return [];
      if (after === undefined)
        return [
          {
            severity: "high",
            what: "the consumer does not know where to deliver",
            reason: "BACKEND_URL is gone from its environment",
            lost: "nothing at first: it ends with an error each time, and groups wait until its receives are used up",
            instead: "keep the variable",
          },
        ];
      const [from, to] = [hostOf(before), hostOf(after)];
      return [
        {
          severity: "medium",
          what: from === to ? `messages go to another path of ${to}` : `messages go to ${to}`,
          reason: `BACKEND_URL ${from} -> ${to} (hosts only), while messages are in flight`,
          lost: "no message; but one that the old backend took and did not acknowledge is delivered to the new one, which does not know its idempotency key",
          instead: "let both share what they know of idempotency keys, or apply it while the queues are empty",
        },
      ];
    },
  },
];

/** A variable of the function's environment after the apply. */
function environment(change: Change, name: string): string | undefined {
  const unknown = blocks({ unknown: record(change.unknown)["environment"] }, "unknown")[0]?.["variables"];
  const isOpen = record(change.unknown)["environment"] === true || unknown === true || record(unknown)[name] === true;
  return isOpen ? "unknown" : variable(change.after, name);
}

function variable(attributes: Change["before"], name: string): string | undefined {
  const value = record(blocks(attributes, "environment")[0]?.["variables"])[name];
  return typeof value === "string" ? value : undefined;
}

const queuesSchema = z.record(z.string(), z.object({ name: z.string(), failurePolicy: z.string() }));

/** Failure policies by queue, of the variable that the consumer reads; undefined where it cannot be read. */
function policies(text: string | undefined): Map<string, string> | undefined {
  try {
    const queues = queuesSchema.parse(JSON.parse(text ?? "{}"));
    return new Map(Object.values(queues).map(({ name, failurePolicy }) => [name, failurePolicy]));
  } catch {
    return undefined;
  }
}

/** A URL may have a secret in its path or query. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "a URL that cannot be read";
}
