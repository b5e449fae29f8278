import { type DeadLetter, type ReceivedDeadLetter, withoutBody } from "./dead-letter.ts";
import type { Hold } from "./hold.ts";
import { LOOK_SECONDS } from "./list.ts";
import { type DeadLetterQueue, type DlqOptions, describeError } from "./queue.ts";
import { walk } from "./walk.ts";

/** What to discard. */
export type DiscardSelection =
  | { readonly messageIds: readonly string[] }
  /** All of a group, what cannot be seen beforehand and what arrives meanwhile included. */
  | { readonly groupId: string };

/** What a discard did. */
export interface DiscardReport {
  /** Gone for good. */
  readonly discarded: readonly DeadLetter[];
  /** Seen, and not deleted for sure. */
  readonly failed: readonly { readonly groupId: string; readonly messageId: string; readonly detail: string }[];
  /** Named, and not seen: gone already, or with somebody else, or behind the first ten of their group. */
  readonly notFound: readonly string[];
  readonly ended: "complete" | "interrupted" | "failed";
  /** Of `failed`: the error of the call that failed. */
  readonly error?: string;
  /** Messages that SQS did not take back: hidden until their visibility timeout ends. */
  readonly stillHidden: number;
}

/**
 * Deletes messages from the dead-letter queue, for good. Their groups keep the order of what is left.
 *
 * Of messages that stand behind the tenth of their group, those are found that come within the first ten as others are deleted.
 *
 * @returns what was deleted and what not: failures of SQS are in the report, since what was deleted before them is gone
 * @example await discardDeadLetters(queue, { messageIds: ["5fea7756-0ea4-451a-a703-a558b933e274"] })
 */
export async function discardDeadLetters(
  queue: DeadLetterQueue,
  selection: DiscardSelection,
  options: DlqOptions = {},
): Promise<DiscardReport> {
  const wanted = new Set("messageIds" in selection ? selection.messageIds : []);
  const discarded: DeadLetter[] = [];
  const failed: { groupId: string; messageId: string; detail: string }[] = [];
  const isNamed = (message: DeadLetter) =>
    "groupId" in selection ? message.groupId === selection.groupId : wanted.has(message.messageId);
  const tried = new Set<string>();

  async function visit(messages: readonly ReceivedDeadLetter[], hold: Hold): Promise<boolean> {
    let deleted = 0;
    for (const message of messages) {
      if (options.signal?.aborted === true) return false;
      if (!isNamed(message) || tried.has(message.messageId)) continue;
      wanted.delete(message.messageId);
      tried.add(message.messageId);
      const detail = await remove(message, hold);
      if (detail === undefined) {
        discarded.push(withoutBody(message));
        options.progress?.({ kind: "discarded", groupId: message.groupId, messageId: message.messageId });
        deleted += 1;
      } else failed.push({ groupId: message.groupId, messageId: message.messageId, detail });
    }
    return deleted > 0;
  }

  const settings = {
    visibilitySeconds: LOOK_SECONDS,
    ...options,
    isDone: () => "messageIds" in selection && wanted.size === 0,
  };
  const { ended, error, stillHidden } = await walk(queue, settings, visit);
  return {
    discarded,
    failed,
    notFound: [...wanted],
    ended,
    ...(ended === "failed" ? { error: describeError(error) } : {}),
    stillHidden,
  };
}

/** @returns what went wrong, in words */
async function remove(message: ReceivedDeadLetter, hold: Hold): Promise<string | undefined> {
  if (!(await hold.secure([message]))) {
    return "its visibility could not be prolonged, so somebody else may have it: look again";
  }
  try {
    await hold.remove(message);
    return undefined;
  } catch (error) {
    return `${describeError(error)}: it may be deleted all the same, look again`;
  }
}
