/** Numbers and character sets of Amazon SQS that the wire contract does not already name (SQS Developer Guide, "Quotas"). */
import { DEDUPLICATION_ID_PATTERN } from "../../../sdk/client/src/contract.ts";

/** Largest number of messages of one FIFO queue in flight. A receive then returns nothing new; FIFO has no OverLimit error for it. */
export const MAX_IN_FLIGHT = 120_000;

/** Longest a message can stay invisible, counted from its receive, in seconds (12 hours). */
export const MAX_VISIBILITY_SECONDS = 43_200;

/** Longest long poll, in seconds. */
export const MAX_WAIT_SECONDS = 20;

/** Most message attributes of one message. */
export const MAX_MESSAGE_ATTRIBUTES = 10;

/** A `ReceiveRequestAttemptId`: the same characters and length as a deduplication id (API reference, `ReceiveMessage`). */
export const RECEIVE_ATTEMPT_ID_PATTERN = DEDUPLICATION_ID_PATTERN;

/** What SQS says of a group, deduplication or attempt id that is none. */
export const ID_CHARACTERS = "can only include alphanumeric and punctuation characters. 1 to 128 in length.";

/** A `ReceiveRequestAttemptId` is remembered this long, in milliseconds (five minutes, like a deduplication id). */
export const RECEIVE_ATTEMPT_WINDOW_MILLISECONDS = 300_000;

/** PurgeQueue on one queue, and CreateQueue after DeleteQueue of the same name, must be this far apart, in milliseconds. */
export const COOL_DOWN_MILLISECONDS = 60_000;

/** A FIFO queue's name: 1 to 80 letters, digits, hyphens and underscores, the `.fifo` suffix included. */
export const QUEUE_NAME_PATTERN = /^(?=.{1,80}$)[A-Za-z0-9_-]+\.fifo$/;

/** What a body must not contain: anything but #x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF (API reference, `SendMessage`). */
export const FORBIDDEN_BODY_CHARACTER = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

/** Highest rate of a message move task, in messages a second (API reference, `StartMessageMoveTask`). */
export const MAX_MOVE_RATE = 500;

/** Longest that a message move task runs, in milliseconds (36 hours; Developer Guide, "dead-letter queue redrive"). */
export const MAX_MOVE_MILLISECONDS = 129_600_000;

/** Most message move tasks of a queue that can be listed (API reference, `ListMessageMoveTasks`); older ones are forgotten. */
export const MAX_MOVE_TASKS_LISTED = 10;
