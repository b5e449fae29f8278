import { Buffer } from "node:buffer";
import { TEXT_ATTRIBUTE } from "../../../runtime/message.ts";

/**
 * Bytes of text attributes that count against a queue's MaximumMessageSize: name, type and value of each (SQS quota "Message
 * size").
 */
export function attributeBytes(texts: Readonly<Record<string, string>>): number {
  return Object.entries(texts).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + TEXT_ATTRIBUTE.length + Buffer.byteLength(value),
    0,
  );
}
