import type { ErrorCode } from "./contract.ts";

/** Codes of what the client itself finds wrong, before or instead of an answer of the gateway. */
export type LocalErrorCode =
  | "INVALID_OPTION"
  | "INVALID_GROUP_ID"
  | "INVALID_DEDUPLICATION_ID"
  | "INVALID_PAYLOAD"
  | "PAYLOAD_TOO_LARGE"
  | "GROUP_PAUSED"
  | "GROUP_NOT_PAUSED"
  | "NETWORK_ERROR"
  | "TIMEOUT"
  | "REDIRECTED"
  | "INVALID_ANSWER"
  | "UNEXPECTED_STATUS";

/** Every `code` that an error of this package can have: its own, and the gateway's. */
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
  readonly groupId?: string | undefined;
  readonly deduplicationId?: string | undefined;
  readonly attempts?: number;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly cause?: Error | undefined;
}

/** `instanceof` fails when two copies or two realms meet; a registered symbol does not. */
const KIND = Symbol.for("@org/fifo-client/error");

/**
 * Base of every error of this package. Neither its text, `util.inspect`, `JSON.stringify` nor the stack ever holds an
 * API key or a payload.
 */
export class FifoClientError extends Error {
  readonly code: FifoClientErrorCode;
  readonly outcome: Outcome;
  /** Requests made for the message so far, replays included. */
  readonly attempts: number;
  declare readonly groupId?: string;
  declare readonly deduplicationId?: string;
  /** HTTP status of the last answer. */
  declare readonly status?: number;
  /** The gateway's own id of the last request, for its logs. */
  declare readonly requestId?: string;

  constructor(code: FifoClientErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.outcome = details.outcome ?? "unsent";
    this.attempts = details.attempts ?? 0;
    const { groupId, deduplicationId, status, requestId } = details;
    for (const [name, value] of Object.entries({ groupId, deduplicationId, status, requestId })) {
      if (value !== undefined) Object.defineProperty(this, name, { value, enumerable: true });
    }
  }

  override get name(): string {
    return this[KIND];
  }

  get [KIND](): string {
    return "FifoClientError";
  }

  /** What a log may keep of it. */
  toJSON(): Record<string, unknown> {
    const { name, message, code, outcome, attempts, groupId, deduplicationId, status, requestId, cause } = this;
    return {
      name,
      message,
      code,
      outcome,
      attempts,
      groupId,
      deduplicationId,
      status,
      requestId,
      cause: cause instanceof FifoClientError ? cause.toJSON() : cause instanceof Error ? cause.message : undefined,
    };
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
 *   if (isSendError(error) && error.outcome === "unknown") await client.resume("10", "replay");
 * }
 * ```
 */
export class SendError extends FifoClientError {
  declare readonly outcome: "rejected" | "unknown";
  declare readonly groupId: string;
  declare readonly deduplicationId: string;
  readonly #gatewayMessage: string | undefined;

  constructor(
    code: FifoClientErrorCode,
    message: string,
    details: ErrorDetails & { readonly gatewayMessage?: string | undefined },
  ) {
    super(code, message, details);
    this.#gatewayMessage = details.gatewayMessage;
  }

  override get [KIND](): string {
    return "SendError";
  }

  /**
   * The gateway's own words, such as which field it refused. They can quote the payload, so they are no part of
   * `message`, `util.inspect` or `JSON.stringify`: look before you log them.
   */
  get gatewayMessage(): string | undefined {
    return this.#gatewayMessage;
  }
}

/** An earlier message of the group failed, and this one was not sent: sending it would pass the other. */
export class GroupPausedError extends FifoClientError {
  declare readonly groupId: string;
  declare readonly cause: SendError;

  constructor(groupId: string, cause: SendError) {
    const way = `call resume(${JSON.stringify(groupId)}, "replay" | "skip"), then send this message again`;
    super("GROUP_PAUSED", `Group ${JSON.stringify(groupId)} is paused by an earlier failure (${cause.code}): ${way}.`, {
      groupId,
      cause,
    });
  }

  override get [KIND](): string {
    return "GroupPausedError";
  }
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
  return typeof value === "object" && value !== null ? Reflect.get(value, KIND) : undefined;
}
