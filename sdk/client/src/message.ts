import { ENVELOPE_PREFIX, ENVELOPE_SUFFIX, GROUP_ID_FIELD, GROUP_ID_PATTERN, MAX_BODY_BYTES } from "./contract.ts";
import { type LocalErrorCode, refusal } from "./errors.ts";

/** Options of one `send()`. */
export interface SendOptions {
  /**
   * 1 to 128 characters from `!` to `~`. SQS drops a second message of the group with the same id for five minutes.
   * @default a new UUID for each call
   */
  readonly deduplicationId?: string | undefined;
  /**
   * Takes the message back. As long as no request was made for it, only this call fails (`ABORTED`, `outcome:
   * "unsent"`); from then on the message may be in the queue, and its group pauses as after any failure.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * W3C trace context of the request's `traceparent` header (https://www.w3.org/TR/trace-context/). A batch has the
   * header only when all its messages have the same one.
   */
  readonly traceparent?: string | undefined;
}

/** What one message is from its `send()` to its end. */
export interface Message {
  readonly groupId: string;
  /** One for all attempts and replays: what makes a retry safe. */
  readonly deduplicationId: string;
  readonly traceparent: string | undefined;
  /** The request's body, fixed at `send()`; empty as long as an asynchronous schema is at work. */
  body: string;
  /** What SQS counts of it, in bytes. */
  bytes: number;
}

/**
 * Checks one call's ids.
 *
 * @throws FifoClientError `INVALID_GROUP_ID`, `INVALID_DEDUPLICATION_ID` or `INVALID_OPTION`
 */
export function createMessage(groupId: string, options: SendOptions): Message {
  const { deduplicationId = crypto.randomUUID(), traceparent } = options;
  checkId("groupId", groupId, "INVALID_GROUP_ID");
  checkId("deduplicationId", deduplicationId, "INVALID_DEDUPLICATION_ID");
  if (traceparent !== undefined) checkId("traceparent", traceparent, "INVALID_OPTION");
  return { groupId, deduplicationId, traceparent, body: "", bytes: 0 };
}

/** SQS's two ids have the same pattern, and a trace context fits it too. */
function checkId(name: string, id: string, code: LocalErrorCode): void {
  if (!matches(GROUP_ID_PATTERN, id)) throw refusal(code, `${name} is ${show(id)}: must match ${GROUP_ID_PATTERN}`);
}

/**
 * Fixes a message's body.
 *
 * @throws FifoClientError `INVALID_PAYLOAD` or `PAYLOAD_TOO_LARGE`
 */
export function fillMessage(message: Message, payload: unknown): void {
  const { groupId } = message;
  const refuse = (reason: string, code: LocalErrorCode = "INVALID_PAYLOAD") =>
    refusal(code, `payload ${reason}`, message);
  let text: string | undefined;
  try {
    // U+FFFE and U+FFFF are the only characters that JSON leaves as they are and SQS refuses; escaped, both take them.
    text = JSON.stringify(payload)?.replace(/[\uFFFE\uFFFF]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
  } catch {
    // The error is not kept: the engine's quotes field names, and what a toJSON throws can quote anything.
    throw refuse("cannot be JSON: it holds a BigInt or itself, is too deep, or its toJSON throws");
  }
  if (text?.[0] !== "{") throw refuse("must be a JSON object");
  // Looked for in the text, since a toJSON can add it; only a text that has it somewhere is parsed again.
  if (text.includes(`"${GROUP_ID_FIELD}":`) && Object.hasOwn(JSON.parse(text), GROUP_ID_FIELD)) {
    throw refuse(`must not have ${GROUP_ID_FIELD}: groupId sets it`);
  }
  // Spliced as text: in an object, keys such as "1" would come before the group id.
  const body = `{"${GROUP_ID_FIELD}":${JSON.stringify(groupId)}${text === "{}" ? "" : ","}${text.slice(1)}`;
  const bytes = new TextEncoder().encode(body).length;
  if (bytes > MAX_BODY_BYTES) throw refuse(`has ${bytes} bytes, at most ${MAX_BODY_BYTES}`, "PAYLOAD_TOO_LARGE");
  message.body = body;
  message.bytes = bytes + ENVELOPE_PREFIX.length + ENVELOPE_SUFFIX.length;
}

/** Whether `value` is a string of a pattern of the contract. */
export function matches(pattern: string, value: unknown): boolean {
  return typeof value === "string" && new RegExp(pattern).test(value);
}

/** Cut, so that a payload or a key that was passed in the wrong place does not get into a text as a whole. */
export function show(value: unknown): string {
  if (typeof value !== "string") return typeof value === "number" ? String(value) : `(${typeof value})`;
  return value.length > 130 ? `(${value.length} characters)` : JSON.stringify(value);
}
