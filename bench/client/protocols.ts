import { hash, randomUUID } from "node:crypto";
import { z } from "zod";
import type { BatchAnswer, ErrorBody, ErrorCode, SendAnswer } from "../../sdk/client/src/contract.ts";
import type { Entry, Outcome } from "./intake.ts";

/** An HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
}

/** A request that was read, and how its protocol writes what became of it. */
export interface Reading {
  readonly entries: readonly Entry[];
  answer(outcomes: readonly Outcome[]): Answer;
  /** The answer of a server that broke down. */
  broken(): Answer;
}

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);
const gatewayBody = z.object({ MessageGroupID: z.string(), number: z.int() });
const gatewayBatch = json(
  z.object({
    entries: z
      .array(z.object({ id: z.string(), groupId: z.string(), idempotencyKey: z.string(), body: z.string() }))
      .min(1)
      .max(10),
  }),
);
const sqsMessage = z.object({
  MessageBody: z.string(),
  MessageGroupId: z.string(),
  MessageDeduplicationId: z.string(),
});
const sqsBatch = json(
  z.object({
    Entries: z
      .array(sqsMessage.extend({ Id: z.string() }))
      .min(1)
      .max(10),
  }),
);

/** What the server knows of a request: its path, its headers, its whole body. */
export interface Incoming {
  readonly path: string;
  readonly header: (name: string) => string | undefined;
  readonly text: string;
}

/**
 * Reads a request of the gateway's contract (`POST /queue-1`, `POST /queue-1/batch`) or of SQS's JSON protocol.
 *
 * @throws Error for any other, and for a body that is not its protocol's
 */
export function read({ path, header, text }: Incoming): Reading {
  const target = header("x-amz-target");
  if (target === "AmazonSQS.SendMessage") return readSendMessage(text);
  if (target === "AmazonSQS.SendMessageBatch") return readSendMessageBatch(text);
  if (path === "/queue-1/batch") return readBatch(text);
  if (path === "/queue-1") return readSend(text, z.string().parse(header("idempotency-key")));
  throw new Error(`neither the gateway's contract nor SQS's JSON protocol: ${path} ${target ?? ""}`);
}

function readSend(text: string, deduplicationId: string): Reading {
  const { MessageGroupID: groupId, number } = json(gatewayBody).parse(text);
  return {
    entries: [{ id: "0", groupId, deduplicationId, number, body: envelope(text) }],
    answer([outcome]) {
      if (outcome?.taken) {
        const { messageId, sequenceNumber } = outcome;
        return gateway(200, { messageId, sequenceNumber } satisfies SendAnswer);
      }
      return outcome?.senderFault ? gatewayError(400, "MESSAGE_REFUSED") : gatewayError(502, "QUEUE_ERROR");
    },
    broken: () => gatewayError(503, "GATEWAY_UNAVAILABLE"),
  };
}

function readBatch(text: string): Reading {
  const entries = gatewayBatch.parse(text).entries.map(({ id, groupId, idempotencyKey, body }) => {
    const { number } = json(gatewayBody).parse(body);
    return { id, groupId, deduplicationId: idempotencyKey, number, body: envelope(body) };
  });
  return {
    entries,
    answer(outcomes) {
      const { taken, failed } = sort(entries, outcomes);
      return gateway(200, {
        successful: taken.map(({ entry: { id }, messageId, sequenceNumber }) => ({ id, messageId, sequenceNumber })),
        failed: failed.map(({ entry: { id }, senderFault }) => ({
          id,
          code: senderFault ? "MESSAGE_REFUSED" : "QUEUE_ERROR",
          message: "not taken",
          senderFault,
        })),
      } satisfies BatchAnswer);
    },
    broken: () => gatewayError(503, "GATEWAY_UNAVAILABLE"),
  };
}

function readSendMessage(text: string): Reading {
  const entry = sqsEntry({ Id: "0", ...json(sqsMessage).parse(text) });
  return {
    entries: [entry],
    answer([outcome]) {
      if (outcome?.taken) {
        const { messageId: MessageId, sequenceNumber: SequenceNumber } = outcome;
        return sqs(200, { MessageId, SequenceNumber, MD5OfMessageBody: hash("md5", entry.body) });
      }
      return outcome?.senderFault ? sqsError(400, "InvalidMessageContents") : sqsError(500, "InternalFailure");
    },
    broken: () => sqsError(503, "ServiceUnavailable"),
  };
}

function readSendMessageBatch(text: string): Reading {
  const entries = sqsBatch.parse(text).Entries.map(sqsEntry);
  return {
    entries,
    answer(outcomes) {
      const { taken, failed } = sort(entries, outcomes);
      return sqs(200, {
        Successful: taken.map(({ entry, messageId, sequenceNumber }) => ({
          Id: entry.id,
          MessageId: messageId,
          SequenceNumber: sequenceNumber,
          MD5OfMessageBody: hash("md5", entry.body),
        })),
        Failed: failed.map(({ entry, senderFault }) => ({
          Id: entry.id,
          Code: senderFault ? "InvalidMessageContents" : "InternalError",
          Message: "not taken",
          SenderFault: senderFault,
        })),
      });
    },
    broken: () => sqsError(503, "ServiceUnavailable"),
  };
}

function sqsEntry(message: z.infer<typeof sqsMessage> & { readonly Id: string }): Entry {
  const { data } = json(z.object({ data: gatewayBody })).parse(message.MessageBody);
  return {
    id: message.Id,
    groupId: message.MessageGroupId,
    deduplicationId: message.MessageDeduplicationId,
    number: data.number,
    body: message.MessageBody,
  };
}

function sort(entries: readonly Entry[], outcomes: readonly Outcome[]) {
  const both = entries.flatMap((entry, index) => {
    const outcome = outcomes[index];
    return outcome ? [{ entry, ...outcome }] : [];
  });
  return { taken: both.filter((one) => one.taken), failed: both.filter((one) => !one.taken) };
}

const envelope = (body: string): string => `{"data":${body}}`;

const gateway = (status: number, body: unknown): Answer => ({ status, type: "application/json", body });

function gatewayError(status: number, code: ErrorCode): Answer {
  return gateway(status, { message: "not taken", code, requestId: randomUUID() } satisfies ErrorBody);
}

const sqs = (status: number, body: unknown): Answer => ({ status, type: "application/x-amz-json-1.0", body });

const sqsError = (status: number, name: string): Answer =>
  sqs(status, { __type: `com.amazonaws.sqs#${name}`, message: "not taken" });
