import { Buffer } from "node:buffer";
import type { MessageAttributeValue } from "@aws-sdk/client-sqs";

/** SQS's name for the type of a text. */
const TEXT = "String";

/**
 * Message attributes as SQS takes them, all of them texts.
 *
 * @example messageAttributes({ control: "replay" }) // { control: { DataType: "String", StringValue: "replay" } }
 */
export function messageAttributes(texts: Readonly<Record<string, string>>): Record<string, MessageAttributeValue> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, StringValue]) => [name, { DataType: TEXT, StringValue }]),
  );
}

/** Bytes of them that count against a queue's MaximumMessageSize: name, type and value of each (SQS quota "Message size"). */
export function attributeBytes(texts: Readonly<Record<string, string>>): number {
  return Object.entries(texts).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + TEXT.length + Buffer.byteLength(value),
    0,
  );
}
