import { MAX_BATCH_ENTRIES } from "../../../client/src/contract.ts";
import type { ReceivedDeadLetter } from "./dead-letter.ts";
import { Hold } from "./hold.ts";
import type { DeadLetterQueue, DlqOptions } from "./queue.ts";

/** How a walk over a dead-letter queue goes. */
export interface WalkOptions extends DlqOptions {
  readonly visibilitySeconds: number;
  /** Receives side by side. SQS gives a group to one of them at a time. @default 1 */
  readonly workers?: number;
  /**
   * Whether a group is shown only with as many messages as one receive can have. A receive of ten fills up with the first
   * messages of one more group; without this, these few would be all that is seen of it.
   *
   * @default true
   */
  readonly wholeGroups?: boolean;
  /** Whether enough was seen. @default never */
  readonly isDone?: () => boolean;
}

/**
 * Is shown the first messages of one group, in order: ten at most.
 *
 * @returns whether the group's next messages are wanted. What was not removed of these is given back at once then, or it
 *   would keep the others locked away; else it is held until the walk's end, so that it does not come a second time.
 */
export type Visit = (messages: readonly ReceivedDeadLetter[], hold: Hold) => Promise<boolean>;

/** How a walk ended. */
export interface WalkEnd {
  /** `complete`: nothing more came, or enough was seen. */
  readonly ended: "complete" | "interrupted" | "failed";
  /** Of `failed`: the error of the call to SQS that failed. */
  readonly error?: unknown;
  /** Messages that SQS did not take back at the end: they stay hidden until their visibility timeout ends by itself. */
  readonly stillHidden: number;
}

/**
 * Receives from a dead-letter queue until nothing more comes, and gives back what `visit` did not remove, whatever happens.
 *
 * A FIFO queue cannot be looked at in another way. Of each group that can be had (one that nobody else holds), the first
 * messages are seen, at most ten; what stands behind them cannot be had before they are removed.
 */
export async function walk(queue: DeadLetterQueue, options: WalkOptions, visit: Visit): Promise<WalkEnd> {
  const { workers = 1, wholeGroups = true, isDone = () => false, signal, progress } = options;
  const hold = new Hold(queue, options);
  let failure: { readonly error: unknown } | undefined;
  const isOver = () => failure !== undefined || signal?.aborted === true || isDone();

  async function work(): Promise<void> {
    while (!isOver()) {
      await hold.renew();
      const messages = await hold.receive();
      if (messages.length === 0) return;
      progress?.({ kind: "received", messages: messages.length });
      const groups = [...Map.groupBy(messages, ({ groupId }) => groupId).values()];
      if (wholeGroups && messages.length === MAX_BATCH_ENTRIES && groups.length > 1) {
        // It comes again, with up to ten. Each such receive shows at least one other group, so there is an end to it.
        const cut = groups.pop() ?? [];
        if ((await hold.giveBack(cut)) > 0) groups.push(cut);
      }
      for (const group of groups) {
        if (isOver()) return;
        if (await visit(group, hold)) await hold.giveBack(group);
      }
    }
  }

  const fail = (error: unknown) => {
    failure ??= { error };
  };
  await Promise.all(Array.from({ length: workers }, () => work().catch(fail)));
  const stillHidden = await hold.giveBack();
  if (failure !== undefined) return { ended: "failed", error: failure.error, stillHidden };
  return { ended: signal?.aborted === true && !isDone() ? "interrupted" : "complete", stillHidden };
}
