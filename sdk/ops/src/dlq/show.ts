import { type DeadLetter, type ReceivedDeadLetter, withoutBody } from "./dead-letter.ts";
import { LOOK_SECONDS } from "./list.ts";
import type { DeadLetterQueue, DlqOptions } from "./queue.ts";
import { walk } from "./walk.ts";

/** A message with what stands before it, as far as that can be seen. */
export interface ShownDeadLetter extends DeadLetter {
  /** What the backend would get, byte for byte. Never log it. */
  readonly body: string;
  /** Messages of its group that stand before it in the dead-letter queue: 0 to 9. */
  readonly before: number;
}

/** What a look for one message came to. */
export interface DeadLetterLook {
  /** Missing when it could not be seen: it is gone, or with somebody else, or behind the first ten of its group, or see `ended`. */
  readonly message?: ShownDeadLetter;
  /** `interrupted` when the signal came before it was seen. */
  readonly ended: "complete" | "interrupted";
  /** Messages that SQS did not take back: hidden until their visibility timeout ends. */
  readonly stillHidden: number;
}

/**
 * Looks for one message. All that it receives on the way is given back.
 *
 * @param messageId in the dead-letter queue, as `listDeadLetters` gives it
 * @throws what a call to SQS throws, after giving back
 * @example (await showDeadLetter(queue, "5fea7756-0ea4-451a-a703-a558b933e274")).message?.detail // "HTTP 422"
 */
export async function showDeadLetter(
  queue: DeadLetterQueue,
  messageId: string,
  options: DlqOptions = {},
): Promise<DeadLetterLook> {
  let found: { readonly message: ReceivedDeadLetter; readonly before: number } | undefined;
  const settings = { visibilitySeconds: LOOK_SECONDS, ...options, isDone: () => found !== undefined };
  const end = await walk(queue, settings, async (messages) => {
    const before = messages.findIndex((message) => message.messageId === messageId);
    const message = messages[before];
    if (message !== undefined) found = { message, before };
    return false;
  });
  if (end.ended === "failed") throw end.error;
  const { ended, stillHidden } = end;
  if (found === undefined) return { ended, stillHidden };
  const { message, before } = found;
  return { message: { ...withoutBody(message), body: message.body, before }, ended, stillHidden };
}
