import { blocks } from "../attributes.ts";
import { type Change, goes, isSame, stays, was, will } from "../change.ts";
import type { Rule } from "../risk.ts";
import { becomes, notKnown } from "./comparison.ts";
import { howItGoes, whyItGoes } from "./wording.ts";

const TYPE = "aws_dynamodb_table";

/** The attribute that the consumer writes times to expire into: counters, markers and tombstones have it, parked messages do not. */
const EXPIRES_AT = "expiresAt";

/** What can happen to parked messages. */
export const parkingLotRules: readonly Rule[] = [
  {
    id: "table-lost",
    types: [TYPE],
    look: (change) =>
      goes(change)
        ? [
            {
              severity: "critical",
              what: howItGoes(`parking lot ${change.before?.["name"]}`, change),
              reason: `${whyItGoes(change)}${was(change, "deletion_protection_enabled") === true ? "; it is protected, so the apply fails there" : ""}`,
              lost: "every parked message, the record of what was discarded, and the order of each parked group: later messages pass",
              instead: `replay or discard everything first, until \`fifo-ops parked list\` shows nothing${change.action === "replace" ? "; a table's name and keys cannot change in place: leave them" : ""}${recovers(change.before) ? ". If it happened: `aws dynamodb list-backups --backup-type SYSTEM` has it for 35 days" : ""}`,
            },
          ]
        : [],
  },
  {
    id: "table-expiry-changed",
    types: [TYPE],
    look: (change) => {
      if (!stays(change)) return [];
      const after = will(change, "ttl");
      if (!after.known) return [{ unknown: "ttl", what: "whether DynamoDB deletes other items of the parking lot" }];
      const [before, ttl] = [blocks(change.before, "ttl")[0], blocks(change.after, "ttl")[0]];
      if (isSame(before, ttl)) return [];
      const on = ttl?.["enabled"] === true;
      const attribute = String(ttl?.["attribute_name"] ?? "none");
      const isOther = on && attribute !== EXPIRES_AT;
      return [
        {
          severity: isOther ? "critical" : "low",
          what: on
            ? `DynamoDB deletes items of the parking lot by ${attribute}`
            : "old counters and tombstones stay in the parking lot",
          reason: `ttl ${text(before)} -> ${text(ttl)}`,
          lost: isOther
            ? `the apply, if another attribute was in use (AWS wants it off first); then every item with a past time in seconds in ${attribute}, within about two days; DynamoDB tells nobody`
            : "nothing; the table grows or shrinks by what no one reads",
          instead: `leave ttl at ${EXPIRES_AT}, which parked messages do not have`,
        },
      ];
    },
  },
  {
    id: "table-index-changed",
    types: [TYPE],
    look: (change) => {
      // Its capacity is AWS's to fill in, and no part of what it is.
      if (!stays(change) || isSame(indexesOf(change.before), indexesOf(change.after))) return [];
      return [
        {
          severity: "medium",
          what: "the parking lot's index of parked groups is recreated or goes",
          reason: "global_secondary_index differs",
          lost: "no message; until the index is filled again fifo-ops parked list, replay --all and the alarm on parked groups miss groups",
          instead: "change it while nothing is parked",
        },
      ];
    },
  },
  {
    id: "recovery-off",
    types: [TYPE],
    look: (change) => {
      if (!stays(change)) return [];
      const [attribute, label] = ["point_in_time_recovery", `parking lot ${was(change, "name")}`];
      const isOff = recovers(change.before) && will(change, attribute).known && !recovers(change.after);
      const [before, after] = [change.before, change.after].map((attributes) => recoveryDays(attributes));
      const isShorter = before !== undefined && after !== undefined && after < before;
      return [
        ...notKnown(change, [attribute], "whether the table can still be taken back to a moment"),
        ...(isOff
          ? [
              {
                severity: "high",
                what: `${label} can no longer be taken back to an earlier moment`,
                reason: "point_in_time_recovery on -> off",
                lost: "at once, every earlier moment; switching it on again begins with nothing",
                instead: "leave it on; it costs by the size of the table, which holds parked messages only",
              } as const,
            ]
          : []),
        ...(isShorter && !isOff
          ? [
              {
                severity: "medium",
                what: `${label} can be taken back ${after} days instead of ${before}`,
                reason: `recovery_period_in_days ${before} -> ${after}`,
                lost: `at once, every moment older than ${after} days`,
                instead: "keep it at least as long as a queue keeps messages",
              } as const,
            ]
          : []),
        ...becomes(change, "deletion_protection_enabled", false, "whether the table can be deleted", () => ({
          severity: "medium",
          what: `${label} can be deleted`,
          reason: "deletion_protection_enabled true -> false",
          lost: "nothing yet; the next plan, or a person, can delete every parked message",
          instead: "keep protect: true unless the deployment is to go",
        })),
      ];
    },
  },
];

function indexesOf(attributes: Change["before"]): unknown[] {
  return blocks(attributes, "global_secondary_index")
    .map(({ name, hash_key, range_key, projection_type }) => [name, hash_key, range_key, projection_type].join(" "))
    .toSorted();
}

function recoveryDays(attributes: Change["before"]): number | undefined {
  const days = blocks(attributes, "point_in_time_recovery")[0]?.["recovery_period_in_days"];
  return typeof days === "number" && days > 0 ? days : undefined;
}

/** Whether a table can be taken back to an earlier moment. */
function recovers(attributes: Change["before"]): boolean {
  return blocks(attributes, "point_in_time_recovery")[0]?.["enabled"] === true;
}

function text(ttl: Readonly<Record<string, unknown>> | undefined): string {
  return ttl?.["enabled"] === true ? `by ${ttl["attribute_name"]}` : "off";
}
