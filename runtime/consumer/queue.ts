import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import type { QueueMessage } from "../message.ts";
import type { OutgoingMessage } from "./failure-policy.ts";
import type { Ports } from "./settle.ts";

/** The consumer's side of SQS: hold, delete, and send to the dead-letter queue. */
export interface Queue {
  readonly port: Ports["queue"];
  /** Resolves when the queue has acknowledged the message. */
  send(url: string, message: OutgoingMessage): Promise<void>;
}

/**
 * Adapts an SQS client. A batch of the event source is at most ten messages, which is also what one batch call takes.
 *
 * @example createQueue(new SQSClient()).port.delete(url, messages)
 */
export function createQueue(client: SQSClient): Queue {
  return {
    port: {
      async changeVisibility(url, messages, seconds) {
        const Entries = entriesOf(messages).map((entry) => ({ ...entry, VisibilityTimeout: seconds }));
        const answer = await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries }));
        return refused(messages, answer.Successful);
      },
      async delete(url, messages) {
        const Entries = entriesOf(messages);
        const answer = await client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }));
        return refused(messages, answer.Successful);
      },
    },
    async send(url, { body, groupId, deduplicationId, attributes }) {
      await client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: body,
          MessageGroupId: groupId,
          MessageDeduplicationId: deduplicationId,
          MessageAttributes: Object.fromEntries(
            Object.entries(attributes).map(([name, value]) => [name, { DataType: "String", StringValue: value }]),
          ),
        }),
      );
    },
  };
}

function entriesOf(messages: readonly QueueMessage[]) {
  return messages.map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
}

/** Whatever the answer does not call successful was refused: an entry that it forgets must not pass for ours. */
function refused(
  messages: readonly QueueMessage[],
  successful: readonly { readonly Id?: string | undefined }[] | undefined,
): ReadonlySet<string> {
  const held = new Set(successful?.map((entry) => entry.Id));
  return new Set(messages.filter((_, index) => !held.has(String(index))).map((message) => message.messageId));
}
