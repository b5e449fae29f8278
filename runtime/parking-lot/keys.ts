/** What an item of the table is about. */
export type ItemKind = "parked" | "attempts" | "started" | "discarded" | "original";

/** Primary key of one item. */
export interface ItemKey {
  readonly pk: { readonly S: string };
  readonly sk: { readonly S: string };
}

/** The sparse index of parked groups: one entry a group, keys only. */
export const PARKED_GROUPS_INDEX = "parked-groups";

/**
 * Partition key of all items of one group. A queue's name has no `#`; a group's may have.
 *
 * @example partitionKey("queue-1", "10") // "queue-1#10"
 */
export function partitionKey(queue: string, groupId: string): string {
  return `${queue}#${groupId}`;
}

/**
 * Key of the item that says something about one message: `<queue>#<groupId>` and `<kind>#<20-digit sequence number>`, so
 * that a group's items of one kind sort in the order in which the messages were sent.
 *
 * @param sequenceNumber SQS's, up to 20 digits; a shorter one is padded with zeros
 * @example itemKey("queue-1", "10", "attempts", "18870000000000000001").sk.S // "attempts#18870000000000000001"
 */
export function itemKey(queue: string, groupId: string, kind: ItemKind, sequenceNumber: string): ItemKey {
  return { pk: { S: partitionKey(queue, groupId) }, sk: { S: `${kind}#${sequenceNumber.padStart(20, "0")}` } };
}

/**
 * What a Query needs to find a group's items of one kind, in the order of their sequence numbers.
 *
 * @param range.after only those above this sequence number; 20 digits
 * @param range.below only those below this one, of which there is no item: a control message's own; 20 digits
 */
export function itemRange(
  queue: string,
  groupId: string,
  kind: ItemKind,
  { after, below }: { readonly after?: string | undefined; readonly below?: string | undefined } = {},
) {
  return {
    KeyConditionExpression: "pk = :pk AND sk BETWEEN :first AND :last",
    ExpressionAttributeValues: {
      ":pk": { S: partitionKey(queue, groupId) },
      // Above "after" and no more: a sort key that has it as a prefix is none of ours.
      ":first": { S: after === undefined ? `${kind}#` : `${kind}#${after}#` },
      // A sequence number ends before "~".
      ":last": { S: `${kind}#${below ?? "~"}` },
    },
  };
}

/** The sequence number in an item's sort key. */
export function sequenceNumberOf(item: Readonly<Record<string, { readonly S?: string | undefined }>>): string {
  const sortKey = item["sk"]?.S ?? "";
  return sortKey.slice(sortKey.lastIndexOf("#") + 1);
}
