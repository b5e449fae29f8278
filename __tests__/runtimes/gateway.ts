import { join } from "node:path";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { App } from "cdktf";
import { z } from "zod";
import { createQueues } from "../../runtime/local/create-queues.ts";
import { startGateway } from "../../runtime/local/gateway/server.ts";
import { startQueueServer } from "../../runtime/local/queue/server.ts";
import type { EmittedResource } from "../../runtime/local/terraform/model.ts";
import { readDeployment } from "../../runtime/local/terraform/read-deployment.ts";
import { GROUP_ID_FIELD } from "../../sdk/client/src/contract.ts";
import { deploy } from "../../stacks/deploy.ts";
import { queueName } from "../../stacks/names.ts";
import { ACCOUNT_ID, argumentOf, NOWHERE, REGION, select, selectOne } from "../helpers/gateway-resources.ts";

/** A message that is in the queue. */
export interface Queued {
  readonly groupId: string;
  readonly at: number;
}

/** The local gateway with a real queue behind it, as the stacks emit them. */
export interface LocalGateway {
  readonly url: string;
  readonly key: string;
  /** A key of one request a second. */
  readonly slowKey: string;
  /** Takes everything out of the queue, in its order. */
  take(): Promise<Queued[]>;
  close(): Promise<void>;
}

const envelopeSchema = z.object({ data: z.object({ [GROUP_ID_FIELD]: z.string(), at: z.int() }) });

/**
 * Emits a deployment and runs it.
 *
 * @param options.folder for what it writes
 * @param options.pageOrigin the origin whose pages may call it
 */
export async function startLocalGateway(options: { folder: string; pageOrigin: string }): Promise<LocalGateway> {
  const outdir = join(options.folder, "cdktf.out");
  const app = new App({ outdir });
  deploy(app, {
    name: "runtimes",
    region: REGION,
    stage: "kimalarm",
    backend: { url: "https://backend.kimalarm.example/" },
    // So few bytes that the queue refuses what the client cannot know to be too long.
    queues: [{ name: "queue-1", maxMessageBytes: 2_048 }],
    producers: [{ name: "fast" }, { name: "slow", rateLimit: 1, burstLimit: 1 }],
    // The second one makes the gateway choose between origins.
    gateway: { corsOrigins: [options.pageOrigin, "https://app.kimalarm.example"] },
    protect: false,
  });
  app.synth();

  const server = await startQueueServer({ file: join(options.folder, "queues.sqlite"), region: REGION });
  const { resources } = await readDeployment({
    folder: outdir,
    variables: {},
    accountId: ACCOUNT_ID,
    endpoints: { sqs: server.url, gateway: NOWHERE },
    apiKeyValue: (name) => `key-Zq81XySecret-of-${name}`,
  });
  createQueues(server.engine, resources);
  const gateway = await startGateway({
    resources,
    file: join(options.folder, "gateway.sqlite"),
    endpoints: { sqs: server.url },
    region: REGION,
    accountId: ACCOUNT_ID,
  });
  const sqs = new SQSClient({
    endpoint: server.url,
    region: REGION,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
  });
  const name = queueName({ name: "runtimes" }, { name: "queue-1" });
  const QueueUrl = argumentOf(selectOne(resources, "aws_sqs_queue", { name }), "url");
  return {
    url: gateway.url,
    key: keyOf(resources, "fast"),
    slowKey: keyOf(resources, "slow"),
    async take() {
      const taken: Queued[] = [];
      for (;;) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
        );
        if (Messages.length === 0) return taken;
        for (const { Body = "", ReceiptHandle } of Messages) {
          const { data } = envelopeSchema.parse(JSON.parse(Body));
          taken.push({ groupId: data[GROUP_ID_FIELD] ?? "", at: data.at });
          await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
        }
      }
    },
    async close() {
      sqs.destroy();
      await gateway.close();
      await server.close();
    },
  };
}

function keyOf(resources: readonly EmittedResource[], producer: string): string {
  const keys = select(resources, "aws_api_gateway_api_key").map((key) => argumentOf(key, "name"));
  const name = keys.find((key) => key.includes(producer));
  if (name === undefined) throw new Error(`no key of ${producer} was emitted, only ${keys.join(", ")}`);
  return argumentOf(selectOne(resources, "aws_api_gateway_api_key", { name }), "value");
}
