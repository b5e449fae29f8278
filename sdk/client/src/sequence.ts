import type { Call } from "./lane.ts";
import type { SequenceWarning } from "./options.ts";

/** How many groups' last sequence numbers are remembered: about 2 MB. */
const REMEMBERED_GROUPS = 10_000;

/** Finds sequence numbers that do not grow within their group. After 10,000 groups it begins anew. */
export function watchSequence(): (call: Call, sequenceNumber: string) => SequenceWarning | void {
  const last = new Map<string, string>();
  return ({ ids }, sequenceNumber) => {
    const previousSequenceNumber = last.get(ids.groupId);
    if (last.size === REMEMBERED_GROUPS) last.clear();
    last.set(ids.groupId, sequenceNumber);
    // As numbers of up to 128 digits, SQS's limit.
    if (previousSequenceNumber && sequenceNumber.padStart(128, "0") <= previousSequenceNumber.padStart(128, "0")) {
      return { ...ids, code: "SEQUENCE_NOT_GROWING", sequenceNumber, previousSequenceNumber };
    }
  };
}
