import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue/index.js";
import { SqsQueueRedriveAllowPolicy } from "@cdktf/provider-aws/lib/sqs-queue-redrive-allow-policy/index.js";
import { SqsQueueRedrivePolicy } from "@cdktf/provider-aws/lib/sqs-queue-redrive-policy/index.js";
import { Construct } from "constructs";
import { SQS_MAX_MESSAGE_BYTES } from "../../sdk/client/src/contract.ts";
import type { DeploymentConfig, QueueConfig } from "../config.ts";
import { deadLetterName, queueName } from "../names.ts";
import type { ServiceRole } from "../role.ts";
import type { EncryptionKey } from "./encryption-key.ts";
import { refusePlainHttp } from "./secure-transport.ts";

/** Both flags belong together: high throughput needs deduplication per group, and each is refused without the other. */
const highThroughput = { deduplicationScope: "messageGroup", fifoThroughputLimit: "perMessageGroupId" } as const;

/** How long SQS uses one data key before it asks KMS for the next, in seconds (SQS: 60 to 86,400). Each of them costs a request. */
const DATA_KEY_SECONDS = 300;

/**
 * A FIFO queue and the dead-letter queue behind it.
 *
 * The dead-letter queue is there under failure policy `park`, too, though nothing new goes into it: another policy then destroys
 * no queue that may hold messages, and the plan of it is small.
 */
export class FifoQueue extends Construct {
  readonly config: QueueConfig;
  /** The queue's name in SQS. */
  readonly queueName: string;
  readonly arn: string;
  readonly url: string;
  readonly deadLetterArn: string;
  readonly deadLetterUrl: string;

  private readonly key: EncryptionKey | undefined;

  /** @param key encrypts both queues; without it SQS does, with a key of its own */
  constructor(scope: Construct, config: QueueConfig, deployment: DeploymentConfig, key: EncryptionKey | undefined) {
    super(scope, config.name);
    const encryption =
      key === undefined
        ? { sqsManagedSseEnabled: true }
        : { kmsMasterKeyId: key.arn, kmsDataKeyReusePeriodSeconds: DATA_KEY_SECONDS };
    const lifecycle = deployment.protect ? { lifecycle: { preventDestroy: true } } : {};

    const deadLetter = new SqsQueue(this, "dead-letter", {
      name: deadLetterName(deployment, config),
      fifoQueue: true,
      ...highThroughput,
      messageRetentionSeconds: config.deadLetterRetentionSeconds,
      // The full size: a dead-lettered copy carries attributes besides the body.
      maxMessageSize: SQS_MAX_MESSAGE_BYTES,
      ...encryption,
      ...lifecycle,
    });

    const queue = new SqsQueue(this, "queue", {
      name: queueName(deployment, config),
      fifoQueue: true,
      ...highThroughput,
      // For producers that send no deduplication id, so that a plain curl works.
      contentBasedDeduplication: true,
      visibilityTimeoutSeconds: config.visibilityTimeoutSeconds,
      messageRetentionSeconds: config.retentionSeconds,
      maxMessageSize: config.maxMessageBytes,
      receiveWaitTimeSeconds: 20,
      ...encryption,
      ...lifecycle,
    });

    // A resource of its own: as an argument of the queue it would stay in AWS once it is taken out here, since the provider
    // takes a missing one for "as it is".
    const redrives =
      config.maxReceiveCount === undefined
        ? []
        : [
            new SqsQueueRedrivePolicy(this, "redrive", {
              queueUrl: queue.url,
              redrivePolicy: JSON.stringify({
                deadLetterTargetArn: deadLetter.arn,
                maxReceiveCount: config.maxReceiveCount,
              }),
            }),
          ];

    new SqsQueueRedriveAllowPolicy(this, "redrive-allow", {
      queueUrl: deadLetter.url,
      redriveAllowPolicy: JSON.stringify({ redrivePermission: "byQueue", sourceQueueArns: [queue.arn] }),
    });

    // Attributes of one queue are set one after the other: an implementation of SQS may take a set of some for a reset of others.
    refusePlainHttp(this, "transport", queue, redrives);
    refusePlainHttp(this, "dead-letter-transport", deadLetter);

    this.config = config;
    this.key = key;
    this.queueName = queueName(deployment, config);
    this.arn = queue.arn;
    this.url = queue.url;
    this.deadLetterArn = deadLetter.arn;
    this.deadLetterUrl = deadLetter.url;
  }

  /** Lets a role put messages into the queue, one by one and in batches. */
  grantSend(role: ServiceRole): void {
    role.allow("SendMessages", ["sqs:SendMessage"], [this.arn]);
    this.key?.grantQueues(role);
  }

  /** Lets a role take messages from the queue and, under `dead-letter`, set refused ones aside in its dead-letter queue. */
  grantConsume(role: ServiceRole): void {
    role.allow(
      "ConsumeMessages",
      ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
      [this.arn],
    );
    if (this.config.failurePolicy === "dead-letter")
      role.allow("DeadLetterMessages", ["sqs:SendMessage"], [this.deadLetterArn]);
    this.key?.grantQueues(role);
  }
}
