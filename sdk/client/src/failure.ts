import type { Failed } from "./answer.ts";
import { type FifoClientErrorCode, type Outcome, SendError } from "./errors.ts";
import type { Call } from "./lane.ts";

const CHECK_ENDPOINT = ", check endpoint and queue";

/** What to do about a failure, where its code does not say it. */
const HINTS: Partial<Record<FifoClientErrorCode, string>> = {
  FORBIDDEN: ", check apiKey and its usage plan",
  INVALID_ANSWER: CHECK_ENDPOINT,
  REDIRECTED: CHECK_ENDPOINT,
  ROUTE_NOT_FOUND: CHECK_ENDPOINT,
};

/** The error of a message for which requests were made. */
export function sendError(call: Call, failed: Failed): SendError {
  const { groupId, deduplicationId, attempts } = call;
  const { code, status, requestId, cause, gatewayMessage } = failed;
  const outcome = outcomeOf(call);
  const detail = [status, code, cause?.message, requestId].filter(Boolean).join(" ");
  return new SendError(
    code,
    `Message ${deduplicationId} of group ${JSON.stringify(groupId)} failed after ${attempts} attempt(s), outcome ${outcome}: ${detail}${HINTS[code] ?? ""}.`,
    { outcome, groupId, deduplicationId, attempts, status, requestId, cause },
    { gatewayMessage },
  );
}

/** What became of a message that is not known to be in the queue. */
export function outcomeOf({ attempts, unknownSince }: Call): Outcome {
  if (attempts === 0) return "unsent";
  return unknownSince === undefined ? "rejected" : "unknown";
}
