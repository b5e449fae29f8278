import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { SQSClient } from "@aws-sdk/client-sqs";
import { listen, stopListening } from "../../runtime/local/listen.ts";
import { SqsError } from "../../runtime/local/queue/errors.ts";
import { runJsonAction } from "../../runtime/local/queue/json-protocol.ts";
import { COPY_ATTRIBUTES } from "../../runtime/message.ts";
import { systemClock } from "../../sdk/client/src/clock.ts";
import { type Fault, PASS, type Proxied, serveFaults } from "./fault-proxy.ts";
import { engineWithClock, REGION } from "./queue-engine.ts";

/** What one request to SQS is about. */
export interface Call extends Proxied {
  /** E.g. `SendMessage`. */
  readonly action: string;
}

/**
 * A queue server over HTTP whose clock only the test moves, and before it a proxy that does to each request what the script says.
 * It has a long-lived engine: each test, or each run of a property, creates its own queues.
 */
export async function serveClockedQueues(t: TestContext) {
  const clocked = engineWithClock(t);
  const server = createServer(async (request, response) => {
    const answer = (status: number, document: object) => {
      const body = JSON.stringify(document);
      const headers = { "content-type": "application/x-amz-json-1.0", "content-length": Buffer.byteLength(body) };
      response.writeHead(status, headers).end(body);
    };
    try {
      const context = {
        engine: clocked.engine,
        queueUrl: (name: string) => `http://${request.headers.host}/${clocked.engine.accountId}/${name}`,
        signal: new AbortController().signal,
      };
      answer(200, await runJsonAction(String(request.headers["x-amz-target"]), await text(request), context));
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      answer(error.status, { __type: error.type, message: error.message });
    }
  });
  const target = await listen(server);
  let script: (call: Call) => Fault = passAll;
  const proxy = await serveFaults(t, {
    target,
    clock: systemClock,
    script: (request) => script({ ...request, action: actionOf(request) }),
  });
  const sqs = new SQSClient({
    endpoint: proxy.url,
    region: REGION,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
    maxAttempts: 1,
  });
  t.after(async () => {
    sqs.destroy();
    await stopListening(server);
  });
  const urls = `${target}/${clocked.engine.accountId}`;
  let queues = 0;
  return {
    ...clocked,
    sqs,
    settled: () => proxy.settled(),
    /** What is done to the requests from now on. */
    follow(next: (call: Call) => Fault) {
      script = next;
    },
    /** A queue and a dead-letter queue, new and empty. */
    createQueues() {
      queues += 1;
      const source = `source-${queues}.fifo`;
      const deadLetter = `dead-letter-${queues}.fifo`;
      for (const name of [source, deadLetter]) clocked.engine.createQueue(name, { FifoQueue: "true" });
      return {
        source,
        deadLetter,
        queue: { sqs, queueUrl: `${urls}/${source}`, deadLetterUrl: `${urls}/${deadLetter}` },
        /** A copy, as the consumer puts it there, with the body as key. @returns its id in the dead-letter queue */
        refuse(groupId: string, body: string): string {
          const original = crypto.randomUUID();
          const values = {
            [COPY_ATTRIBUTES.reason]: "rejected",
            [COPY_ATTRIBUTES.detail]: "HTTP 400",
            [COPY_ATTRIBUTES.originalMessageId]: original,
            [COPY_ATTRIBUTES.originalSequenceNumber]: "18000000000000000001",
            [COPY_ATTRIBUTES.idempotencyKey]: `key-of-${body}`,
          };
          return clocked.engine.send(deadLetter, {
            groupId,
            body,
            deduplicationId: original,
            messageAttributes: Object.fromEntries(
              Object.entries(values).map(([name, stringValue]) => [name, { dataType: "String", stringValue }]),
            ),
          }).messageId;
        },
        /** Takes all that a queue has, in order. */
        async drain(name: string) {
          const drained: { groupId: string; body: string; key: string | undefined; deduplicationId: string }[] = [];
          for (;;) {
            const messages = await clocked.engine.receive(name, { maxMessages: 10, waitSeconds: 0 });
            if (messages.length === 0) return drained;
            for (const { groupId, body, deduplicationId, messageAttributes, receiptHandle } of messages) {
              const key = messageAttributes[COPY_ATTRIBUTES.idempotencyKey]?.stringValue;
              drained.push({ groupId, body, key, deduplicationId });
              clocked.engine.delete(name, receiptHandle);
            }
          }
        },
      };
    },
  };
}

function passAll(): Fault {
  return PASS;
}

function actionOf({ headers }: Proxied): string {
  return String(headers["x-amz-target"]).replace("AmazonSQS.", "");
}
