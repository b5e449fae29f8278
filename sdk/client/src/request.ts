import ky from "ky";
import { type Attempt, type Failed, readAnswer } from "./answer.ts";
import type { Clock } from "./clock.ts";
import { API_KEY_HEADER, IDEMPOTENCY_KEY_HEADER } from "./contract.ts";
import type { Message } from "./message.ts";

/** Where requests go. */
export interface Target {
  readonly url: string;
  readonly apiKey: string;
}

/**
 * Makes one attempt. Never rejects: whatever goes wrong is an {@link Attempt} too.
 *
 * ky's own retry and timeout are off: its timeout ends with the headers, so that a body that never ends would hang; its
 * retry knows no budget over all attempts, holds the client's slot while it waits, and cannot tell a message that was
 * refused from one that may have landed.
 */
export async function attempt(target: Target, message: Message, timeout: number, clock: Clock): Promise<Attempt> {
  const abort = new AbortController();
  let timedOut = false;
  const cancel = clock.after(timeout, () => {
    timedOut = true;
    abort.abort();
  });
  try {
    const response = await ky.post(target.url, {
      headers: {
        "content-type": "application/json",
        [API_KEY_HEADER]: target.apiKey,
        [IDEMPOTENCY_KEY_HEADER]: message.deduplicationId,
      },
      body: message.body,
      signal: abort.signal,
      redirect: "manual",
      retry: 0,
      timeout: false,
      throwHttpErrors: false,
    });
    // A refusal whose body breaks off is still a refusal; without its body, a 200 proves nothing.
    const text = await response.text().catch((error: unknown) => {
      if (response.ok) throw error;
      return undefined;
    });
    return readAnswer(response, text);
  } catch (error) {
    return noAnswer(timedOut ? "TIMEOUT" : "NETWORK_ERROR", error);
  } finally {
    cancel();
  }
}

/** Whether the request was never taken or only its answer lost, fetch does not say in a way that holds everywhere. */
function noAnswer(code: "TIMEOUT" | "NETWORK_ERROR", error: unknown): Failed {
  return { accepted: false, code, retryable: true, mayHaveLanded: true, cause: plainCause(error) };
}

/** The system's error code alone: errors of fetch and ky can carry the request, and with it the key. */
function plainCause(error: unknown): Error | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code: unknown = Reflect.get(at, "code");
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]{2,40}$/.test(code)) return new Error(code);
  }
  return undefined;
}
