import type { DeploymentConfig, QueueConfig } from "../config.ts";

/** What the consumer has to know that only Terraform knows. */
interface Targets {
  readonly backendUrl: string;
  readonly parkingLotTable: string;
  readonly queues: readonly {
    readonly config: QueueConfig;
    readonly arn: string;
    readonly url: string;
    readonly deadLetterUrl: string;
  }[];
}

/** The consumer's environment, as `runtime/consumer/environment.ts` reads it. A queue's settings are found by its ARN. */
export function consumerEnvironment(deployment: DeploymentConfig, targets: Targets): Record<string, string> {
  const settings = targets.queues.map(({ config, arn, url, deadLetterUrl }) => [
    arn,
    {
      name: config.name,
      url,
      failurePolicy: config.failurePolicy,
      ...(config.failurePolicy === "dead-letter" ? { deadLetterUrl } : {}),
      visibilityTimeoutSeconds: config.visibilityTimeoutSeconds,
      retentionSeconds: config.retentionSeconds,
      maxAttempts: config.maxAttempts,
    },
  ]);
  return {
    BACKEND_URL: targets.backendUrl,
    BACKEND_TIMEOUT_MILLISECONDS: String(deployment.consumer.backendTimeoutMilliseconds),
    PARKING_LOT_TABLE: targets.parkingLotTable,
    QUEUES: JSON.stringify(Object.fromEntries(settings)),
  };
}
