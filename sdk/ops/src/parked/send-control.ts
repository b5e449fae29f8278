import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import type { OutgoingMessage } from "../../../../runtime/message.ts";
import { type Control, controlMessage } from "../../../../runtime/parking-lot/control.ts";
import type { Connection } from "../connection.ts";
import { OpsError } from "../errors.ts";

/** A control message for a group, with an id that was never used. */
export function newControl(control: Control, groupId: string): OutgoingMessage {
  return controlMessage(control, groupId, randomUUID());
}

/**
 * Sends a control message. When the answer is lost, the SDK sends it again under the same deduplication id: the queue has it once.
 *
 * @returns its sequence number: 20 digits
 * @throws the SDK's errors
 */
export async function sendControl({ sqs }: Connection, QueueUrl: string, message: OutgoingMessage): Promise<string> {
  const { SequenceNumber } = await sqs.send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: message.body,
      MessageGroupId: message.groupId,
      MessageDeduplicationId: message.deduplicationId,
      MessageAttributes: Object.fromEntries(
        Object.entries(message.attributes).map(([name, StringValue]) => [name, { DataType: "String", StringValue }]),
      ),
    }),
  );
  if (SequenceNumber === undefined) throw new OpsError("AWS_FAILED", `${QueueUrl} is no FIFO queue`);
  return SequenceNumber.padStart(20, "0");
}

/** Bytes that count against a queue's MaximumMessageSize: body, and name, type and value of each attribute. */
export function messageBytes({ body, attributes }: OutgoingMessage): number {
  return Object.entries(attributes).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + "String".length + Buffer.byteLength(value),
    Buffer.byteLength(body),
  );
}
