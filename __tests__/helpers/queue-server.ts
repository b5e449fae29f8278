import { join } from "node:path";
import type { TestContext } from "node:test";
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { startQueueServer } from "../../runtime/local/queue/server.ts";
import { FIFO, REGION, temporaryFolder } from "./queue-engine.ts";

/** A queue server on a free port, and the AWS SDK's own client on it. */
export async function serverWithClient(t: TestContext) {
  const server = await startQueueServer({ file: join(temporaryFolder(t), "queues.sqlite"), region: REGION });
  const client = new SQSClient({
    endpoint: server.url,
    region: REGION,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
    maxAttempts: 1,
  });
  t.after(async () => {
    client.destroy();
    await server.close();
  });
  return {
    server,
    client,
    /** Creates a FIFO queue with content-based deduplication; answers its URL. */
    async createQueue(name: string, attributes: Readonly<Record<string, string>> = {}): Promise<string> {
      const command = new CreateQueueCommand({ QueueName: name, Attributes: { ...FIFO, ...attributes } });
      const { QueueUrl } = await client.send(command);
      if (QueueUrl === undefined) throw new Error("CreateQueue answered without a QueueUrl");
      return QueueUrl;
    },
  };
}
