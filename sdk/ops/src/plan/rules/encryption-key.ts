import { type Change, goes, was } from "../change.ts";
import type { Plan } from "../plan.ts";
import type { Rule } from "../risk.ts";
import { becomes } from "./comparison.ts";
import { howItGoes, whyItGoes } from "./wording.ts";

const KEY = "aws_kms_key";

/** How long a key can be taken back when nothing else is said, in days (KMS, ScheduleKeyDeletion). */
const DEFAULT_WAIT = 30;

const ARCHIVED = "after 7 days DynamoDB archives the table";

/** What can happen to the key that the deployment's messages are encrypted with. */
export const encryptionKeyRules: readonly Rule[] = [
  {
    id: "key-lost",
    types: [KEY],
    look: (change, { plans }) => {
      const users = usersOf(change, plans);
      const named = users.length === 0 ? "" : `; still the key of ${users.join(", ")}`;
      const instead =
        "give whatever uses it another key first (a table keeps its own where the configuration names none: `aws dynamodb update-table --table-name TABLE --sse-specification Enabled=true`), and let the queues run empty";
      if (!goes(change))
        return becomes(change, "is_enabled", false, "whether the key is switched off", () => ({
          severity: "high",
          what: "the deployment's key is switched off",
          reason: `is_enabled true -> false${named}`,
          lost: `nothing for good at first; until it is on again no message can be sent, read or parked. Messages still expire meanwhile, and ${ARCHIVED}`,
          instead,
        }));
      const wait = was(change, "deletion_window_in_days");
      const days = typeof wait === "number" && wait > 0 ? wait : DEFAULT_WAIT;
      return [
        {
          severity: "critical",
          what: howItGoes("the deployment's key", change, "another one"),
          reason: `${whyItGoes(change)}${named}`,
          // KMS, "Deleting AWS KMS keys": one that waits for its deletion cannot be used.
          lost: `at once, every send, receive and parking with whatever still has it; ${ARCHIVED}; ${days} days after the apply, all that it encrypts, for good. Until then: \`aws kms cancel-key-deletion\`, then \`aws kms enable-key\``,
          instead,
        },
      ];
    },
  },
  {
    id: "encryption-off",
    types: [KEY],
    look: (change) =>
      becomes(change, "enable_key_rotation", false, "whether the key is renewed each year", () => ({
        severity: "low",
        what: "the deployment's key is no longer renewed each year",
        reason: "enable_key_rotation true -> false",
        lost: "nothing now; one key encrypts everything from here on",
        instead: "leave rotation on: it costs nothing, and old messages stay readable",
      })),
  },
];

/** Arguments that name the key of a resource. */
const KEY_ARGUMENTS = ["kms_master_key_id", "kms_key_id", "kms_key_arn", "server_side_encryption", "root_block_device"];

/** Addresses of what names a key after the apply; of another stack, also of what names it before that stack's own. */
function usersOf(key: Change, plans: readonly Plan[]): string[] {
  const arn = String(was(key, "arn"));
  const names = (attributes: Change["before"]) =>
    KEY_ARGUMENTS.some((argument) => JSON.stringify(attributes?.[argument] ?? null).includes(arn));
  return plans
    .flatMap(({ changes }) => changes)
    .filter(({ type }) => type !== KEY && !type.startsWith("aws_iam_"))
    .filter(({ stack, before, after }) => names(after) || (stack !== key.stack && names(before)))
    .map(({ address }) => address);
}
