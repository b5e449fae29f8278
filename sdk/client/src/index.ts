export {
  createFifoClient,
  type FifoClient,
  type OutgoingMessage,
  type PayloadOf,
  type QueuePayloads,
  type UnsentMessage,
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
export type { SendResult } from "./lane.ts";
export type { SendOptions } from "./message.ts";
export type {
  FifoClientOptions,
  Hooks,
  MessageAttempt,
  PausedGroup,
  RequestEvent,
  ResponseEvent,
  RetryEvent,
  SequenceWarning,
} from "./options.ts";
export type { Issue, SchemaResult, StandardSchema } from "./schema.ts";
