import type { Call } from "./lane.ts";
import type { SequenceWarning } from "./options.ts";

/** How many groups' last sequence numbers are remembered: about 2 MB. */
const REMEMBERED_GROUPS = 10_000;

/** Finds sequence numbers that do not grow within their group. Of the groups, it knows the 10,000 that sent last. */
export function watchSequence(): (call: Call, sequenceNumber: string) => SequenceWarning | void {
  const last = new Map<string, string>();
  return ({ groupId, deduplicationId }, sequenceNumber) => {
    const previousSequenceNumber = last.get(groupId);
    last.delete(groupId);
    last.set(groupId, sequenceNumber);
    if (last.size > REMEMBERED_GROUPS) for (const oldest of last.keys()) if (last.delete(oldest)) break;
    // As numbers of up to 128 digits, SQS's limit.
    if (!previousSequenceNumber || sequenceNumber.padStart(128, "0") > previousSequenceNumber.padStart(128, "0"))
      return;
    return { code: "SEQUENCE_NOT_GROWING", groupId, deduplicationId, sequenceNumber, previousSequenceNumber };
  };
}
