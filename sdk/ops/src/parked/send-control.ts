import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { messageAttributes, type OutgoingMessage } from "../../../../runtime/message.ts";
import { type Control, controlMessage } from "../../../../runtime/parking-lot/control.ts";
import { attributeBytes } from "../attribute-bytes.ts";
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
      MessageAttributes: messageAttributes(message.attributes),
    }),
  );
  if (SequenceNumber === undefined) throw new OpsError("AWS_FAILED", `${QueueUrl} is no FIFO queue`);
  return SequenceNumber.padStart(20, "0");
}

/** Bytes that count against a queue's MaximumMessageSize: body, and name, type and value of each attribute. */
export function messageBytes({ body, attributes }: OutgoingMessage): number {
  return Buffer.byteLength(body) + attributeBytes(attributes);
}

/**
 * Makes sure that a control message reaches what it is for: only what has a lower number than its own. A queue counts upwards, but
 * one that was deleted and made anew may begin below what is still parked.
 *
 * @param sent what was sent, in words
 * @param control its sequence number: 20 digits
 * @param parked the newest message that it is for: 20 digits
 * @throws OpsError `QUEUE_MADE_ANEW`
 */
export function checkReach(sent: string, control: string, parked: string): void {
  if (parked < control) return;
  throw new OpsError(
    "QUEUE_MADE_ANEW",
    `${sent} does not reach all of it: the queue was deleted and made anew, and numbers lower than ${parked}, which is parked. No replay, ` +
      "discard or edit reaches that. Keep each payload (parked show --payload), remove the items parked#<number> from the " +
      "table by hand, and send the payloads anew, in order",
  );
}
