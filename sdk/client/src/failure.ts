import type { Failed } from "./answer.ts";
import { type Outcome, SendError } from "./errors.ts";
import type { Call } from "./lane.ts";

/** The error of a message for which requests were made. */
export function sendError(call: Call, failed: Failed): SendError {
  const { ids, attempts } = call;
  const { code, status, requestId, cause } = failed;
  const outcome = outcomeOf(call);
  const detail = [status, code, cause?.message, requestId].filter(Boolean).join(" ");
  return new SendError(
    code,
    `Message ${ids.deduplicationId} of group ${ids.groupId}: ${detail}, ${outcome} after ${attempts} attempts.`,
    { ...ids, outcome, attempts, status, requestId, cause },
    failed,
  );
}

/** What became of a message that is not known to be in the queue. */
export function outcomeOf({ attempts, unknownSince }: Call): Outcome {
  if (attempts === 0) return "unsent";
  return unknownSince === undefined ? "rejected" : "unknown";
}
