import { BATCH_ENTRY_ID_PATTERN, MAX_BATCH_ENTRIES, SQS_MAX_MESSAGE_BYTES } from "../../../sdk/client/src/contract.ts";
import { SqsError } from "./errors.ts";

const entryId = new RegExp(BATCH_ENTRY_ID_PATTERN);

/** One entry of a batch that was refused. */
export interface FailedEntry {
  readonly id: string;
  readonly code: string;
  readonly message: string;
  readonly senderFault: boolean;
}

/** What became of a batch, in the order of its entries. */
export interface BatchOutcome<Successful> {
  readonly successful: readonly Successful[];
  readonly failed: readonly FailedEntry[];
}

/** The rules of a batch as a whole: 1 to 10 entries, each with an id of its own. @throws SqsError, nothing is done then */
export function checkBatch(entries: readonly { readonly id: string }[], requestEntry: string): void {
  if (entries.length === 0) {
    throw new SqsError("EmptyBatchRequest", `There should be at least one ${requestEntry} in the request.`);
  }
  if (entries.length > MAX_BATCH_ENTRIES) {
    throw new SqsError(
      "TooManyEntriesInBatchRequest",
      `Maximum number of entries per request are ${MAX_BATCH_ENTRIES}. You have sent ${entries.length}.`,
    );
  }
  const ids = new Set<string>();
  for (const { id } of entries) {
    if (!entryId.test(id)) {
      throw new SqsError(
        "InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
      );
    }
    if (ids.has(id)) throw new SqsError("BatchEntryIdsNotDistinct", `Id ${id} repeated.`);
    ids.add(id);
  }
}

/** The sum of a batch's messages, in bytes. @throws SqsError `BatchRequestTooLong` */
export function checkBatchBytes(bytes: number): void {
  if (bytes <= SQS_MAX_MESSAGE_BYTES) return;
  throw new SqsError(
    "BatchRequestTooLong",
    `Batch requests cannot be longer than ${SQS_MAX_MESSAGE_BYTES} bytes. You have sent ${bytes} bytes.`,
  );
}

/** Runs `work` for each entry; an SqsError fails that entry alone. */
export function eachEntry<Entry extends { readonly id: string }, Successful>(
  entries: readonly Entry[],
  work: (entry: Entry) => Successful,
): BatchOutcome<Successful> {
  const successful: Successful[] = [];
  const failed: FailedEntry[] = [];
  for (const entry of entries) {
    try {
      successful.push(work(entry));
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      failed.push({
        id: entry.id,
        code: error.code,
        message: error.message,
        senderFault: error.fault === "Sender",
      });
    }
  }
  return { successful, failed };
}
