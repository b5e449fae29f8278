import type { ErrorCode } from "./contract.ts";
import type { MessageIds } from "./message.ts";
import type { Issue } from "./schema.ts";

/** Codes of what the client itself finds wrong, before or instead of an answer of the gateway. */
export type LocalErrorCode =
  | "INVALID_OPTION"
  | "INVALID_GROUP_ID"
  | "INVALID_DEDUPLICATION_ID"
  | "INVALID_PAYLOAD"
  | "PAYLOAD_TOO_LARGE"
  | "TOO_MANY_PENDING"
  | "GROUP_PAUSED"
  | "GROUP_NOT_PAUSED"
  | "ABORTED"
  | "CLOSED"
  | "NOT_SENT"
  | "NETWORK_ERROR"
  | "TIMEOUT"
  | "REDIRECTED"
  | "INVALID_ANSWER"
  | "UNEXPECTED_STATUS";

/**
 * The `code` of an error: the client's own, or the gateway's. The README says what to do about each. A newer gateway may have
 * more: keep a default branch.
 */
export type FifoClientErrorCode = LocalErrorCode | ErrorCode;

/**
 * What became of the message.
 * - `unsent`: no request was made for it by this call.
 * - `rejected`: every request for it was refused; it is not in the queue.
 * - `unknown`: at least one request got no clear answer; it may be in the queue, or still get there within 30 s.
 */
export type Outcome = "unsent" | "rejected" | "unknown";

/** Where an error comes from. Absent fields do not apply. */
export interface ErrorDetails {
  readonly outcome?: Outcome;
  readonly groupId?: string;
  readonly deduplicationId?: string;
  readonly attempts?: number;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly cause?: Error | undefined;
}

/** What can quote the payload, and so is in no text, no JSON and no inspection. */
interface HiddenDetails {
  readonly gatewayMessage?: string | undefined;
  readonly issues?: readonly Issue[] | undefined;
}

/** `instanceof` fails when two copies or two realms meet; a registered symbol does not. */
const KIND = Symbol.for("@org/fifo-client/error");

/**
 * Base of every error of this package. Neither its text, `util.inspect`, `JSON.stringify` nor the stack ever holds an
 * API key or a payload.
 */
export class FifoClientError extends Error {
  /** What went wrong. */
  declare readonly code: FifoClientErrorCode;
  /** What became of the message. */
  declare readonly outcome: Outcome;
  /** Requests made for the message so far, replays included. */
  declare readonly attempts: number;
  /** The message's group. */
  declare readonly groupId?: string;
  /** The id under which SQS drops repetitions of the message for five minutes. */
  declare readonly deduplicationId?: string;
  /** HTTP status of the last answer; 400, 429 or 502 for what was refused in a batch that was taken. */
  declare readonly status?: number;
  /** The gateway's own id of the last request, for its logs. */
  declare readonly requestId?: string;
  readonly #hidden: HiddenDetails;

  constructor(
    code: FifoClientErrorCode,
    message: string,
    { cause, ...details }: ErrorDetails = {},
    hidden: HiddenDetails = {},
  ) {
    super(message, cause && { cause });
    // Through JSON, so that what is undefined is no property.
    Object.assign(this, { code, outcome: "unsent", attempts: 0 }, JSON.parse(JSON.stringify(details)));
    this.#hidden = hidden;
  }

  /**
   * `SendError` only: the gateway's own words, such as which field it refused. They can quote the payload, so they are no
   * part of `message`, `util.inspect` or `JSON.stringify`: look before you log them.
   */
  get gatewayMessage(): string | undefined {
    return this.#hidden.gatewayMessage;
  }

  /** `INVALID_PAYLOAD` of a schema only: what the schema found; empty when it threw. It can quote the payload too. */
  get issues(): readonly Issue[] | undefined {
    return this.#hidden.issues;
  }

  override get name(): string {
    return this[KIND];
  }

  get [KIND](): string {
    return "FifoClientError";
  }
}

/**
 * The gateway refused a message for good, or the retries ran out. Its group is paused (unless `onFailure` is
 * `"continue"`).
 *
 * @example
 * ```ts
 * try {
 *   await client.send("10", { transSeq: "1" });
 * } catch (error) {
 *   if (isSendError(error) && error.outcome === "unknown") await client.resume("10", "replay"); // throws if it fails again
 * }
 * ```
 */
export class SendError extends FifoClientError {
  declare readonly outcome: "rejected" | "unknown";
  declare readonly groupId: string;
  declare readonly deduplicationId: string;

  override get [KIND](): string {
    return "SendError";
  }
}

/** An earlier message of the group failed, and this one was not sent: sending it would pass the other. */
export class GroupPausedError extends FifoClientError {
  declare readonly groupId: string;
  declare readonly deduplicationId: string;
  /** How that message failed. */
  declare readonly cause: SendError;

  constructor(ids: MessageIds, cause: SendError) {
    super("GROUP_PAUSED", `Group ${ids.groupId} is paused by ${cause.code}: resume() it.`, { ...ids, cause });
  }

  override get [KIND](): string {
    return "GroupPausedError";
  }
}

/**
 * What a call is refused with.
 *
 * @param text without its full stop
 * @throws FifoClientError when it is not `ok`
 */
export function ensure(
  ok: unknown,
  code: LocalErrorCode,
  text: string,
  details?: ErrorDetails,
  hidden?: HiddenDetails,
): asserts ok {
  if (!ok) throw new FifoClientError(code, `${text}.`, details, hidden);
}

/** A number or a short text as it is; what may be a payload or a key in the wrong place is neither. */
export function show(value: unknown): string {
  return typeof value !== "object" && `${value as string}`.length < 130 ? JSON.stringify(value) : typeof value;
}

/** Whether `value` is an error of this package, of whichever copy or realm. */
export function isFifoClientError(value: unknown): value is FifoClientError {
  return kindOf(value) !== undefined;
}

/** Whether `value` is a {@link SendError}, of whichever copy or realm. */
export function isSendError(value: unknown): value is SendError {
  return kindOf(value) === "SendError";
}

/** Whether `value` is a {@link GroupPausedError}, of whichever copy or realm. */
export function isGroupPausedError(value: unknown): value is GroupPausedError {
  return kindOf(value) === "GroupPausedError";
}

function kindOf(value: unknown): unknown {
  return (value as { [KIND]?: unknown } | undefined | null)?.[KIND];
}
