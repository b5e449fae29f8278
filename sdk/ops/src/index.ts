export { type Connection, type ConnectOptions, connect } from "./connection.ts";
export * from "./dlq/index.ts";
export { EXIT, OpsError, type OpsErrorCode } from "./errors.ts";
export { queueNames } from "./names.ts";
export { type Discarded, type DiscardOptions, discard, planDiscard } from "./parked/discard.ts";
export { type Edited, type EditOptions, type EditPlan, edit, planEdit } from "./parked/edit.ts";
export { listGroups, listMessages } from "./parked/list.ts";
export type { ParkedSummary } from "./parked/messages.ts";
export {
  planReplay,
  type Replayed,
  type ReplayOptions,
  type ReplayPlan,
  type ReplayProgress,
  replay,
} from "./parked/replay.ts";
export { type DiscardedSummary, readPayload, type Shown, show } from "./parked/show.ts";
export type { WaitOptions } from "./parked/wait.ts";
export * from "./plan/index.ts";
