import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { giveUpAfter } from "../give-up.ts";
import { messageAttributes, type OutgoingMessage, type QueueMessage } from "../message.ts";
import type { Ports } from "./ports.ts";

/** The consumer's side of SQS: hold, delete, and send to the dead-letter queue. */
export interface Queue {
  readonly port: Ports["queue"];
  /** Resolves when the queue has acknowledged the message. */
  send(url: string, message: OutgoingMessage): Promise<void>;
}

/**
 * Adapts an SQS client. A batch of the event source is at most ten messages, which is also what one batch call takes.
 *
 * @param callMilliseconds how long a call may take, its retries included; `hold` has the client's own timeouts
 * @example createQueue(new SQSClient(), 900).port.delete(url, messages)
 */
export function createQueue(client: SQSClient, callMilliseconds: number): Queue {
  return {
    port: {
      async hold(url, messages, seconds) {
        return refused(messages, await client.send(visibilityCommand(url, messages, seconds)));
      },
      async changeVisibility(url, messages, seconds) {
        const command = visibilityCommand(url, messages, seconds);
        const send = (abortSignal: AbortSignal) => client.send(command, { abortSignal });
        return refused(messages, await giveUpAfter(callMilliseconds, send));
      },
      async delete(url, messages) {
        const command = new DeleteMessageBatchCommand({ QueueUrl: url, Entries: entriesOf(messages) });
        const send = (abortSignal: AbortSignal) => client.send(command, { abortSignal });
        return refused(messages, await giveUpAfter(callMilliseconds, send));
      },
    },
    async send(url, { body, groupId, deduplicationId, attributes }) {
      const command = new SendMessageCommand({
        QueueUrl: url,
        MessageBody: body,
        MessageGroupId: groupId,
        MessageDeduplicationId: deduplicationId,
        MessageAttributes: messageAttributes(attributes),
      });
      await giveUpAfter(callMilliseconds, (abortSignal) => client.send(command, { abortSignal }));
    },
  };
}

function visibilityCommand(url: string, messages: readonly QueueMessage[], seconds: number) {
  const Entries = entriesOf(messages).map((entry) => ({ ...entry, VisibilityTimeout: seconds }));
  return new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries });
}

function entriesOf(messages: readonly QueueMessage[]) {
  return messages.map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
}

/** Whatever the answer does not call successful was refused: an entry that it forgets must not pass for ours. */
function refused(
  messages: readonly QueueMessage[],
  { Successful }: { readonly Successful?: readonly { readonly Id?: string | undefined }[] | undefined },
): ReadonlySet<string> {
  const held = new Set(Successful?.map((entry) => entry.Id));
  return new Set(messages.filter((_, index) => !held.has(String(index))).map((message) => message.messageId));
}
