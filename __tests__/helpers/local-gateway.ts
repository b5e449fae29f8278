import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { DeleteMessageCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { createQueues } from "../../runtime/local/create-queues.ts";
import { type LogEntry, startGateway } from "../../runtime/local/gateway/server.ts";
import { startQueueServer } from "../../runtime/local/queue/server.ts";
import type { EmittedResource } from "../../runtime/local/terraform/model.ts";
import { API_KEY_HEADER, ERROR_STATUS, type ErrorCode } from "../../sdk/client/src/contract.ts";
import { ACCOUNT_ID, apiKey, argumentOf, gatewayResources, queueOf, REGION } from "./gateway-resources.ts";

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface PostOptions {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly method?: string;
}

/** A gateway and its sender. */
export interface RunningGateway {
  readonly url: string;
  /** The key that {@link post} sends. */
  readonly key: string;
  readonly logged: readonly LogEntry[];
  post(path: string, body: string | Uint8Array, options?: PostOptions): Promise<Answered>;
  close(): Promise<void>;
}

/** Starts a gateway in front of whatever answers at `sqs`. */
export async function gatewayBefore(
  t: TestContext,
  options: { sqs: string; resources?: readonly EmittedResource[]; file?: string },
): Promise<RunningGateway> {
  const logged: LogEntry[] = [];
  const resources = options.resources ?? (await gatewayResources(options.sqs));
  const gateway = await startGateway({
    resources,
    file: options.file ?? join(folder(t), "gateway.sqlite"),
    endpoints: { sqs: options.sqs },
    region: REGION,
    accountId: ACCOUNT_ID,
    log: (entry) => logged.push(entry),
  });
  let open = true;
  const close = async () => {
    if (open) await gateway.close();
    open = false;
  };
  t.after(close);
  const key = apiKey(resources);
  return {
    url: gateway.url,
    key,
    logged,
    close,
    post: (path, body, { headers, ...more } = {}) =>
      post(`${gateway.url}${path}`, body, { ...more, headers: { [API_KEY_HEADER]: key, ...headers } }),
  };
}

/** Starts a real queue server with the emitted queues, and a gateway before it. What is taken and counted is queue-1's. */
export async function gatewayWithQueue(t: TestContext) {
  const server = await startQueueServer({ file: join(folder(t), "queues.sqlite"), region: REGION });
  t.after(() => server.close());
  const sqs = new SQSClient({
    endpoint: server.url,
    region: REGION,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
  });
  t.after(() => sqs.destroy());
  const resources = await gatewayResources(server.url);
  createQueues(server.engine, resources);
  const QueueUrl = argumentOf(queueOf(resources, "/queue-1"), "url");
  const gateway = await gatewayBefore(t, { sqs: server.url, resources });
  return {
    ...gateway,
    /** Takes what is in the queue, up to ten messages, out of it. */
    async take() {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          MessageSystemAttributeNames: ["All"],
          WaitTimeSeconds: 0,
        }),
      );
      for (const { ReceiptHandle } of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      return Messages.map(({ Body, Attributes, MessageId }) => ({
        body: Body,
        groupId: Attributes?.MessageGroupId,
        deduplicationId: Attributes?.MessageDeduplicationId,
        sequenceNumber: Attributes?.SequenceNumber,
        messageId: MessageId,
      }));
    },
    async count() {
      const { Attributes } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["ApproximateNumberOfMessages"] }),
      );
      return Number(Attributes?.ApproximateNumberOfMessages);
    },
  };
}

/** Something else in the place of SQS. */
export async function sqsInPlace(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return `http://127.0.0.1:${address.port}`;
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_STATUS, code);
const errorSchema = z.strictObject({
  message: z.string().min(1),
  code: z.string().refine(isErrorCode, "none of the contract's codes"),
  requestId: z.uuid(),
});

/** The contract's error body, strictly, with the status that its code comes with. */
export function errorOf({ status, text, headers }: Answered) {
  const error = errorSchema.parse(JSON.parse(text));
  assert.equal(status, ERROR_STATUS[error.code], text);
  assert.equal(headers["x-amzn-requestid"], error.requestId);
  assert.equal(headers["content-type"], "application/json");
  return error;
}

export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "gateway-test-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** node:http and not fetch: headers keep their letter case, and the content type can be left out. */
function post(url: string, body: string | Uint8Array, options: PostOptions = {}): Promise<Answered> {
  const headers = { "content-type": "application/json", ...options.headers };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: options.method ?? "POST" }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    });
    outgoing.on("error", reject);
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) outgoing.setHeader(name, value);
    outgoing.end(body);
  });
}
