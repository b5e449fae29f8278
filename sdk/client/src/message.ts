import { DEDUPLICATION_ID_PATTERN, GROUP_ID_FIELD, GROUP_ID_PATTERN, MAX_BODY_BYTES } from "./contract.ts";
import { FifoClientError, type LocalErrorCode } from "./errors.ts";

/** One message from its `send()` to its end. */
export interface Message {
  readonly groupId: string;
  /** One for all attempts and replays: what makes a retry safe. */
  readonly deduplicationId: string;
  /** The request's body, fixed at `send()`. */
  readonly body: string;
  /** Requests made so far. */
  attempts: number;
  /** When the last attempt ended of those that can have put it into the queue, or still can; else undefined. */
  unknownSince: number | undefined;
}

const GROUP_ID = new RegExp(GROUP_ID_PATTERN);
const DEDUPLICATION_ID = new RegExp(DEDUPLICATION_ID_PATTERN);
const encoder = new TextEncoder();

/**
 * Checks one call's arguments and fixes its body.
 *
 * @throws FifoClientError `INVALID_GROUP_ID`, `INVALID_DEDUPLICATION_ID`, `INVALID_PAYLOAD` or `PAYLOAD_TOO_LARGE`
 */
export function createMessage(groupId: string, payload: object, deduplicationId?: string): Message {
  if (typeof groupId !== "string" || !GROUP_ID.test(groupId)) {
    throw local("INVALID_GROUP_ID", `Group id ${show(groupId)} is not 1 to 128 characters from "!" to "~"`);
  }
  if (
    deduplicationId !== undefined &&
    (typeof deduplicationId !== "string" || !DEDUPLICATION_ID.test(deduplicationId))
  ) {
    throw local(
      "INVALID_DEDUPLICATION_ID",
      `Option deduplicationId ${show(deduplicationId)} is not 1 to 128 characters from "!" to "~"`,
      groupId,
    );
  }
  return {
    groupId,
    deduplicationId: deduplicationId ?? crypto.randomUUID(),
    body: serialise(groupId, payload),
    attempts: 0,
    unknownSince: undefined,
  };
}

function serialise(groupId: string, payload: unknown): string {
  const text = toJson(groupId, payload);
  if (text?.[0] !== "{") {
    throw local("INVALID_PAYLOAD", "The payload is not a JSON object: wrap arrays and plain values in one", groupId);
  }
  // Looked for in the text, since a toJSON can add it; only a text that has it somewhere is parsed again.
  if (text.includes(`"${GROUP_ID_FIELD}":`) && Object.hasOwn(JSON.parse(text), GROUP_ID_FIELD)) {
    throw local(
      "INVALID_PAYLOAD",
      `The payload has a field ${GROUP_ID_FIELD}: the client sets it from groupId`,
      groupId,
    );
  }
  // Spliced as text: in an object, keys such as "1" would come before the group id.
  const rest = text === "{}" ? "}" : `,${text.slice(1)}`;
  const body = `{"${GROUP_ID_FIELD}":${JSON.stringify(groupId)}${rest}`;
  const bytes = encoder.encode(body).byteLength;
  if (bytes > MAX_BODY_BYTES) {
    throw local("PAYLOAD_TOO_LARGE", `The body has ${bytes} bytes, the most is ${MAX_BODY_BYTES}`, groupId);
  }
  return body;
}

function toJson(groupId: string, payload: unknown): string | undefined {
  try {
    // U+FFFE and U+FFFF are the only characters that JSON leaves as they are and SQS refuses; escaped, both take them.
    return JSON.stringify(payload)?.replace(/[\uFFFE\uFFFF]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
  } catch (error) {
    // The engine's text quotes field names, and what a toJSON throws can quote anything: it is looked at, not kept.
    const text = error instanceof TypeError ? error.message : "";
    const reason = /bigint/i.test(text)
      ? "it holds a BigInt, make it a string"
      : /circular|cyclic/i.test(text)
        ? "it holds itself (a cycle)"
        : "a getter or a toJSON of it threw, or it is too deep";
    throw local("INVALID_PAYLOAD", `The payload cannot be written as JSON: ${reason}`, groupId);
  }
}

function local(code: LocalErrorCode, text: string, groupId?: string): FifoClientError {
  return new FifoClientError(code, `${text}.`, { groupId });
}

/** Cut, so that a payload that was passed in the wrong place does not get into a text as a whole. */
function show(value: unknown): string {
  if (typeof value !== "string") return `(${value === null ? "null" : typeof value})`;
  return value.length > 130 ? `(${value.length} characters)` : JSON.stringify(value);
}
