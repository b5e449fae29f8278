import { DEDUPLICATION_ID_PATTERN, GROUP_ID_PATTERN } from "../../../sdk/client/src/contract.ts";
import type { QueueSettings } from "./attributes.ts";
import { invalidParameter, missingParameter, SqsError } from "./errors.ts";
import { FORBIDDEN_BODY_CHARACTER, ID_CHARACTERS, MAX_MESSAGE_ATTRIBUTES } from "./limits.ts";
import { type MessageAttributes, messageBytes, type OutgoingMessage } from "./message.ts";

const groupId = new RegExp(GROUP_ID_PATTERN);
const deduplicationId = new RegExp(DEDUPLICATION_ID_PATTERN);
const attributeName = /^(?!aws\.|amazon\.)(?!\.)(?!.*\.\.)(?!.*\.$)[A-Za-z0-9_.-]{1,256}$/i;
const attributeType = /^(String|Number|Binary)(\..+)?$/;

/** What is missing fails a whole batch, not only its entry. @throws SqsError `MissingParameter`, `InvalidParameterValue` */
export function checkPresence(message: OutgoingMessage, settings: QueueSettings): void {
  if (message.groupId === "") throw missingParameter("MessageGroupId");
  if (message.deduplicationId === undefined && !settings.contentBasedDeduplication) {
    throw new SqsError(
      "InvalidParameterValue",
      "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    );
  }
}

/** Every limit of one message, in SQS's words. Neither body nor attribute values get into an error's text. */
export function checkMessage(message: OutgoingMessage, settings: QueueSettings): void {
  if (message.body === "") throw missingParameter("MessageBody");
  if (!groupId.test(message.groupId)) {
    throw invalidParameter("MessageGroupId", message.groupId, `MessageGroupId ${ID_CHARACTERS}`);
  }
  if (message.deduplicationId !== undefined && !deduplicationId.test(message.deduplicationId)) {
    throw invalidParameter(
      "MessageDeduplicationId",
      message.deduplicationId,
      `MessageDeduplicationId ${ID_CHARACTERS}`,
    );
  }
  if (message.delaySeconds !== undefined && message.delaySeconds !== 0) {
    throw invalidParameter(
      "DelaySeconds",
      message.delaySeconds,
      "The request include parameter that is not valid for this queue type.",
    );
  }
  checkAttributes(message.messageAttributes);
  if (messageBytes(message.body, message.messageAttributes) > settings.maximumMessageBytes) {
    throw new SqsError(
      "InvalidParameterValue",
      `One or more parameters are invalid. Reason: Message must be shorter than ${settings.maximumMessageBytes} bytes.`,
    );
  }
  checkCharacters(message.body);
}

function checkCharacters(content: string): void {
  const found = FORBIDDEN_BODY_CHARACTER.exec(content)?.[0].codePointAt(0);
  if (found === undefined) return;
  throw new SqsError(
    "InvalidMessageContents",
    `Invalid character #x${found.toString(16).toUpperCase()} was found in the message body, the set of allowed characters is ` +
      "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
  );
}

function checkAttributes(attributes: MessageAttributes | undefined): void {
  const entries = Object.entries(attributes ?? {});
  if (entries.length > MAX_MESSAGE_ATTRIBUTES) {
    const excess = `Number of message attributes [${entries.length}] exceeds the allowed maximum [${MAX_MESSAGE_ATTRIBUTES}].`;
    throw new SqsError("InvalidParameterValue", excess);
  }
  for (const [name, { dataType, stringValue, binaryValue }] of entries) {
    if (!attributeName.test(name)) {
      throw new SqsError(
        "InvalidParameterValue",
        `Message attribute name '${name}' is invalid: 1 to 256 letters, digits, '_', '-' and single inner '.', not beginning with AWS. or Amazon.`,
      );
    }
    const kind = attributeType.exec(dataType)?.[1];
    if (kind === undefined || dataType.length > 256) {
      throw new SqsError(
        "InvalidParameterValue",
        `The type of message (user) attribute '${name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String.`,
      );
    }
    const value = kind === "Binary" ? binaryValue : stringValue;
    const other = kind === "Binary" ? stringValue : binaryValue;
    if (value === undefined || value === "" || other !== undefined) {
      throw new SqsError(
        "InvalidParameterValue",
        `The message (user) attribute '${name}' must contain a non-empty value of type '${dataType}', and no other.`,
      );
    }
    if (kind === "Number" && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) {
      throw new SqsError(
        "InvalidParameterValue",
        `Can't cast the value of message (user) attribute '${name}' to a number.`,
      );
    }
    if (kind !== "Binary") checkCharacters(value);
  }
}
