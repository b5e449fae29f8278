import { blocks, typeInWords, withoutFifo } from "../attributes.ts";
import { type Change, isSame, stays, was, will } from "../change.ts";
import type { Finding, NotKnown, Rule } from "../risk.ts";
import { differences, differing } from "./comparison.ts";

/** What can happen to what keeps messages secret at rest. */
export const encryptionRules: readonly Rule[] = [
  {
    id: "encryption-off",
    types: ["aws_sqs_queue"],
    look: (change) => {
      if (!stays(change)) return [];
      const [key, managed] = [will(change, "kms_master_key_id"), will(change, "sqs_managed_sse_enabled")];
      if (!key.known) return unknownKey(change, "kms_master_key_id");
      const [hadKey, hasKey] = [was(change, "kms_master_key_id"), key.value].map(isOwnKey);
      if (!managed.known && !hasKey) return unknownKey(change, "sqs_managed_sse_enabled");
      const isManaged = (managed.known && managed.value === true) || !isSame(key.value, undefined);
      if (hasKey || (!hadKey && (isManaged || was(change, "sqs_managed_sse_enabled") !== true))) return [];
      return [
        weaker(
          `queue ${withoutFifo(was(change, "name"))}`,
          isManaged,
          differences(change, ["kms_master_key_id", "sqs_managed_sse_enabled"]).join(", "),
        ),
      ];
    },
  },
  {
    id: "encryption-off",
    types: ["aws_dynamodb_table"],
    look: (change) => {
      if (!stays(change)) return [];
      const after = will(change, "server_side_encryption");
      if (!after.known) return unknownKey(change, "server_side_encryption");
      const [before, next] = [
        blocks(change.before, "server_side_encryption")[0],
        blocks(change.after, "server_side_encryption")[0],
      ];
      const level = (block: typeof before) =>
        block?.["enabled"] !== true ? 0 : isSame(block["kms_key_arn"], undefined) ? 1 : 2;
      if (level(next) >= level(before)) return [];
      const names = ["a key of AWS's own", "AWS's key in this account", "the deployment's key"];
      const reason = `server_side_encryption: ${names[level(before)]} -> ${names[level(next)]}`;
      const label = `parking lot ${was(change, "name")}`;
      const what = `${label} is encrypted with a key that you have less say over`;
      return [{ ...weaker(label, true, reason), what, lost: `${SAY}; backups and earlier moments need the old key` }];
    },
  },
  {
    id: "encryption-off",
    types: ["aws_sns_topic", "aws_cloudwatch_log_group", "aws_lambda_function"],
    look: (change) => {
      if (!stays(change)) return [];
      const attribute =
        { aws_sns_topic: "kms_master_key_id", aws_cloudwatch_log_group: "kms_key_id" }[change.type] ?? "kms_key_arn";
      const after = will(change, attribute);
      if (!after.known) return unknownKey(change, attribute);
      if (!isOwnKey(was(change, attribute)) || isOwnKey(after.value)) return [];
      const isAws = !isSame(after.value, undefined);
      const label = `${typeInWords(change.type)} ${was(change, "name") ?? was(change, "function_name")}`;
      const reason = differing(change, attribute) ?? "";
      if (change.type !== "aws_sns_topic" || isAws) return [weaker(label, true, reason)];
      // CloudWatch cannot use AWS's own key for SNS, so without a key of the deployment's the stacks leave it so.
      const lost = "secrecy at rest of alarms, which hold no message";
      return [{ severity: "low", what: `${label} is no longer encrypted`, reason, lost, instead: KEEP }];
    },
  },
  {
    id: "encryption-off",
    types: ["aws_instance"],
    look: (change) => {
      if (change.before === undefined || change.after === undefined || change.action === "none") return [];
      if (isDiskEncrypted(change.before) !== true || isDiskEncrypted(change.after) !== false) return [];
      return [weaker("the instance's disk", false, "root_block_device.encrypted true -> false")];
    },
  },
];

const SAY = "the say over who may decrypt, and the record of who did";
const KEEP = 'keep encryption: "customer-managed"';

/** Not none, and none that AWS keeps for a service (`alias/aws/sqs`). */
function isOwnKey(key: unknown): boolean {
  return !isSame(key, undefined) && !String(key).includes("alias/aws/");
}

function isDiskEncrypted(attributes: Change["before"]): unknown {
  return blocks(attributes, "root_block_device")[0]?.["encrypted"];
}

function weaker(label: string, staysEncrypted: boolean, reason: string): Finding {
  return {
    severity: staysEncrypted ? "medium" : "high",
    what: staysEncrypted ? `${label} is encrypted with AWS's key instead of yours` : `${label} is no longer encrypted`,
    reason,
    lost: staysEncrypted
      ? `${SAY}; what was encrypted before needs the old key`
      : "secrecy at rest of everything that is written from here on",
    instead: staysEncrypted ? KEEP : "leave it on: it costs nothing",
  };
}

function unknownKey(change: Change, attribute: string): NotKnown[] {
  const had = !isSame(was(change, attribute), undefined);
  return had ? [{ unknown: attribute, what: "whether it stays encrypted with a key of yours" }] : [];
}
