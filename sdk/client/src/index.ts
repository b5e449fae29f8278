export {
  createFifoClient,
  type FifoClient,
  type PausedGroup,
  type PayloadOf,
  type QueuePayloads,
  type SendOptions,
} from "./client.ts";
export {
  FifoClientError,
  type FifoClientErrorCode,
  GroupPausedError,
  isFifoClientError,
  isGroupPausedError,
  isSendError,
  type Outcome,
  SendError,
} from "./errors.ts";
export type { SendResult } from "./group-lane.ts";
export type { FifoClientOptions } from "./options.ts";
