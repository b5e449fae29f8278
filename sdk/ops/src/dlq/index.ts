/**
 * Dead-letter queues: look at them, move their messages back in order, discard what nobody wants.
 *
 * Nothing here prints. What takes long tells of its progress through a callback, and ends early, in order, on a signal.
 */
export type { DeadLetter } from "./dead-letter.ts";
export {
  type DiscardReport,
  type DiscardSelection,
  discardDeadLetters,
} from "./discard.ts";
export { type DeadLetterList, listDeadLetters } from "./list.ts";
export { type PlannedMove, planRedrive, type RedrivePlan } from "./plan-redrive.ts";
export type { DeadLetterQueue, DlqOptions, DlqProgress } from "./queue.ts";
export {
  type Kept,
  type KeptReason,
  type Moved,
  type RedriveReport,
  type RedriveSelection,
  redriveDeadLetters,
} from "./redrive.ts";
export { type DeadLetterLook, type ShownDeadLetter, showDeadLetter } from "./show.ts";
