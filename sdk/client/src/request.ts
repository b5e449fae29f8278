import ky from "ky";
import { type Answer, readAnswer } from "./answer.ts";
import type { Clock } from "./clock.ts";
import { API_KEY_HEADER, type BatchEntry, IDEMPOTENCY_KEY_HEADER, TRACEPARENT_HEADER } from "./contract.ts";
import { type Message, matches } from "./message.ts";

/** Where requests go. */
export interface Target {
  readonly url: string;
  readonly apiKey: string;
}

/**
 * Makes one attempt for one message, or in a batch for several. Never rejects: whatever goes wrong is an answer too.
 *
 * ky's own retry and timeout are off: its timeout ends with the headers, so that a body that never ends would hang; its
 * retry knows no budget over all attempts, holds the client's slot while it waits, and cannot tell a message that was
 * refused from one that may have landed.
 *
 * @param timeout until the whole answer is there, in milliseconds
 * @param abort ends the request when it is aborted
 */
export async function request(
  target: Target,
  messages: readonly [Message, ...Message[]],
  timeout: number,
  clock: Clock,
  abort: AbortController,
): Promise<Answer> {
  let timedOut = false;
  const cancel = clock.after(timeout, () => {
    timedOut = true;
    abort.abort();
  });
  const [{ ids, body: single, traceparent }, second] = messages;
  const shared = messages.every((message) => message.traceparent === traceparent);
  const headers = {
    "content-type": "application/json",
    [API_KEY_HEADER]: target.apiKey,
    ...(!second && { [IDEMPOTENCY_KEY_HEADER]: ids.deduplicationId }),
    ...(shared && traceparent && { [TRACEPARENT_HEADER]: traceparent }),
  };
  try {
    const response = await ky.post(second ? `${target.url}/batch` : target.url, {
      headers,
      body: second ? JSON.stringify({ entries: messages.map(toEntry) }) : (single ?? null),
      signal: abort.signal,
      redirect: "manual",
      retry: 0,
      timeout: false,
      throwHttpErrors: false,
    });
    // Through a pipe of our own, since Node's fetch forgets the signal of a Request that has been collected: so a body that
    // never ends is given up, and its connection with it. Without it, a refusal is still a refusal, and a 200 proves nothing.
    const piped = response.body?.pipeThrough(new TransformStream(), { signal: abort.signal });
    const body: unknown = await new Response(piped).json().catch(() => undefined);
    return readAnswer(response, { ...(body as object) }, messages.length);
  } catch (error) {
    // Whether the request was never taken or only its answer lost, fetch does not say in a way that holds everywhere.
    const code = timedOut ? "TIMEOUT" : "NETWORK_ERROR";
    const failed = { code, retryable: true, mayHaveLanded: true, cause: plainCause(error as Error) } as const;
    return { attempts: messages.map(() => failed) };
  } finally {
    cancel();
  }
}

function toEntry({ ids, body = "" }: Message, at: number): BatchEntry {
  return { id: String(at), groupId: ids.groupId, idempotencyKey: ids.deduplicationId, body };
}

/** The system's error code alone: errors of fetch and ky can carry the request, and with it the key. */
function plainCause(error: { code?: unknown; cause?: unknown } | undefined): Error | undefined {
  const code = error?.code;
  if (matches("^[A-Z][A-Z0-9_]{2,40}$", code)) return Object.assign(new Error(code), { code });
  return error?.cause ? plainCause(error.cause) : undefined;
}
