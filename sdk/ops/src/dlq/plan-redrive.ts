import type { DeadLetter } from "./dead-letter.ts";
import { type DeadLetterList, listDeadLetters } from "./list.ts";
import { CALL_MILLISECONDS, type DeadLetterQueue, type DlqOptions, readMaximumBytes } from "./queue.ts";
import { type KeptReason, type RedriveSelection, redrivenBytes, tooLarge } from "./redrive.ts";
import { showDeadLetter } from "./show.ts";

/** A message that a redrive would meet. */
export interface PlannedMove {
  readonly message: DeadLetter;
  /** Why it would stay; missing when it would be moved. */
  readonly stays?: { readonly reason: KeptReason; readonly detail: string };
}

/** What a redrive would do, as far as it can be seen. */
export interface RedrivePlan extends Omit<DeadLetterList, "messages" | "total" | "notSeen"> {
  /** Group after group, in the order in which they would be moved. Groups go side by side. */
  readonly moves: readonly PlannedMove[];
  /** Messages of its group that a single message would overtake. */
  readonly overtakes?: number;
  /** Messages of the dead-letter queue that were not received, and would be moved by a redrive of all; approximate. */
  readonly notSeen?: number;
}

/**
 * Says what `redriveDeadLetters` would do now. All that it receives is given back.
 *
 * @throws what a call to SQS throws, after giving back
 * @example (await planRedrive(queue, { all: true })).moves.length
 */
export async function planRedrive(
  queue: DeadLetterQueue,
  selection: RedriveSelection,
  options: DlqOptions = {},
): Promise<RedrivePlan> {
  const { callMilliseconds = CALL_MILLISECONDS } = options;
  const maximumBytes = await readMaximumBytes(queue.sqs, queue.queueUrl, callMilliseconds);
  if ("messageId" in selection) {
    const { message: shown, ...end } = await showDeadLetter(queue, selection.messageId, options);
    if (shown === undefined) return { moves: [], fullGroups: [], ...end };
    const { body: _, before, ...message } = shown;
    return { moves: plan([message], maximumBytes), overtakes: before, fullGroups: [], ...end };
  }
  const {
    messages,
    total: _,
    notSeen,
    ...rest
  } = await listDeadLetters(queue, {
    ...options,
    ...("groupId" in selection ? { groupId: selection.groupId } : {}),
  });
  return { moves: plan(messages, maximumBytes), ...("all" in selection ? { notSeen } : {}), ...rest };
}

function plan(messages: readonly DeadLetter[], maximumBytes: number): readonly PlannedMove[] {
  const stoppedBy = new Map<string, string>();
  return messages.map((message) => {
    const { groupId, messageId, control } = message;
    if (control !== undefined) return { message, stays: { reason: "control", detail: "a control message" } };
    const before = stoppedBy.get(groupId);
    if (before !== undefined) return { message, stays: { reason: "behind", detail: `behind message ${before}` } };
    if (redrivenBytes(message) <= maximumBytes) return { message };
    stoppedBy.set(groupId, messageId);
    return { message, stays: { reason: "too-large", detail: tooLarge(message, maximumBytes) } };
  });
}
