import { z } from "zod";

const responseSchema = z.object({
  batchItemFailures: z.array(z.object({ itemIdentifier: z.string().min(1) })).nullish(),
});

/**
 * Reads a function's answer as the event source does (Lambda Developer Guide, "Reporting batch item failures"): nothing, or no
 * failures, is a success of the whole batch.
 *
 * @returns the message ids that stay in the queue
 * @throws Error when the answer is none, an identifier is empty or not of this batch: the whole batch then failed
 * @example failedItems({ batchItemFailures: [{ itemIdentifier: "id-2" }] }, ["id-1", "id-2"]) // Set { "id-2" }
 */
export function failedItems(answer: unknown, messageIds: readonly string[]): ReadonlySet<string> {
  if (answer === null || answer === undefined) return new Set();
  const parsed = responseSchema.safeParse(answer);
  if (!parsed.success) {
    throw new Error("the function's answer has no valid batchItemFailures: the whole batch counts as failed");
  }
  const failed = new Set((parsed.data.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier));
  for (const id of failed) {
    if (!messageIds.includes(id)) {
      throw new Error(
        `the function returned ${JSON.stringify(id)}, which is not in its batch: the whole batch counts as failed`,
      );
    }
  }
  return failed;
}
