import { ENVELOPE_PREFIX, ENVELOPE_SUFFIX, GROUP_ID_FIELD, GROUP_ID_PATTERN, MAX_BODY_BYTES } from "./contract.ts";
import { ensure, type LocalErrorCode, show } from "./errors.ts";

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
   * W3C trace context for the request's `traceparent` header (https://www.w3.org/TR/trace-context/), passed on as it is; what
   * cannot be a header is left out. A batch has the header only when all its messages have the same one.
   */
  readonly traceparent?: string | undefined;
}

/** What a message is called in events, errors and results. */
export interface MessageIds {
  readonly groupId: string;
  /** One for all attempts and replays: what makes a retry safe. */
  readonly deduplicationId: string;
}

/** One message from its `send()` to its end. */
export interface Message {
  readonly ids: MessageIds;
  readonly traceparent: string;
  /** The request's body, fixed at `send()`; undefined as long as an asynchronous schema is at work. */
  body?: string;
  /** What SQS counts of it, in bytes. */
  sqsBytes?: number;
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
  // What could not be a header's value is left out: tracing costs no message.
  return { ids: { groupId, deduplicationId }, traceparent: matches(GROUP_ID_PATTERN, traceparent) ? traceparent : "" };
}

/** SQS's two ids have the same pattern. */
function checkId(name: string, id: string, code: LocalErrorCode): void {
  ensure(matches(GROUP_ID_PATTERN, id), code, `${name} must match ${GROUP_ID_PATTERN}, not ${show(id)}`);
}

/**
 * Fixes a message's body.
 *
 * @throws FifoClientError `INVALID_PAYLOAD` or `PAYLOAD_TOO_LARGE`
 */
export function fillMessage(message: Message, payload: unknown): void {
  const { ids } = message;
  let text: string | undefined;
  try {
    // U+FFFE and U+FFFF are the only characters that JSON leaves as they are and SQS refuses; escaped, both take them.
    text = JSON.stringify(payload)?.replace(/[\uFFFE\uFFFF]/g, (c) => (c < "\uFFFF" ? "\\ufffe" : "\\uffff"));
  } catch {
    // The error is not kept: the engine's quotes field names, and what a toJSON throws can quote anything.
  }
  ensure(text?.[0] === "{", "INVALID_PAYLOAD", "payload must be a JSON object", ids);
  ensure(
    // Looked for in the text, since a toJSON can add it; only a text that has it somewhere is parsed again.
    !text.includes(`"${GROUP_ID_FIELD}":`) || !Object.hasOwn(JSON.parse(text), GROUP_ID_FIELD),
    "INVALID_PAYLOAD",
    `payload must not have ${GROUP_ID_FIELD}: groupId sets it`,
    ids,
  );
  // Spliced as text: in an object, keys such as "1" would come before the group id.
  const body = `{"${GROUP_ID_FIELD}":${JSON.stringify(ids.groupId)}${text === "{}" ? "" : ","}${text.slice(1)}`;
  const bytes = new TextEncoder().encode(body).length;
  ensure(bytes <= MAX_BODY_BYTES, "PAYLOAD_TOO_LARGE", `payload: ${bytes} bytes, at most ${MAX_BODY_BYTES}`, ids);
  message.body = body;
  message.sqsBytes = bytes + ENVELOPE_PREFIX.length + ENVELOPE_SUFFIX.length;
}

/** Whether `value` is a string that matches. */
export function matches(pattern: RegExp | string, value: unknown): value is string {
  return typeof value === "string" && new RegExp(pattern).test(value);
}
