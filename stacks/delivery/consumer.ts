import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group/index.js";
import { LambdaEventSourceMapping } from "@cdktf/provider-aws/lib/lambda-event-source-mapping/index.js";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function/index.js";
import { AssetType, TerraformAsset } from "cdktf";
import { Construct } from "constructs";
import { bundleFunction } from "../bundle.ts";
import type { DeploymentConfig } from "../config.ts";
import type { EncryptionKey } from "../messaging/encryption-key.ts";
import type { FifoQueue } from "../messaging/fifo-queue.ts";
import type { ParkingLot } from "../messaging/parking-lot.ts";
import { consumerName, consumerRoleName } from "../names.ts";
import { ServiceRole } from "../role.ts";
import { consumerEnvironment } from "./consumer-environment.ts";
import type { Network } from "./network.ts";

interface ConsumerProps {
  readonly deployment: DeploymentConfig;
  readonly queues: readonly FifoQueue[];
  readonly parkingLot: ParkingLot;
  /** Encrypts its logs and its environment; without it AWS does, with a key of its own. */
  readonly key: EncryptionKey | undefined;
  /** What it is put into; without it, it is in none of this account's. */
  readonly network: Network | undefined;
  /** Where messages are posted to. */
  readonly backendUrl: string;
}

/** The Lambda that takes the messages of every queue to the backend, with one event source for each queue. */
export class Consumer extends Construct {
  readonly functionName: string;
  readonly functionArn: string;
  /** Where its log lines go. */
  readonly logGroupName: string;

  constructor(scope: Construct, { deployment, queues, parkingLot, key, network, backendUrl }: ConsumerProps) {
    super(scope, "consumer");
    const name = consumerName(deployment);
    const { timeoutSeconds, memoryMegabytes, logRetentionDays, reservedConcurrency } = deployment.consumer;

    const logs = new CloudwatchLogGroup(this, "logs", {
      name: `/aws/lambda/${name}`,
      retentionInDays: logRetentionDays,
      ...(key === undefined ? {} : { kmsKeyId: key.arn }),
    });

    const role = new ServiceRole(this, "execution", {
      name: consumerRoleName(deployment),
      service: "lambda.amazonaws.com",
    });
    role.allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [`${logs.arn}:*`]);
    for (const queue of queues) queue.grantConsume(role);
    parkingLot.grantPark(role);
    parkingLot.grantListParkedGroups(role);
    key?.grantEnvironment(role);
    if (deployment.tracing) role.allowUnscoped("TraceRequests");
    const place = network?.admitConsumer(role);

    const bundle = bundleFunction("runtime/consumer/lambda.ts");
    const consumer = new LambdaFunction(this, "function", {
      functionName: name,
      description: `Delivers the messages of ${deployment.name}'s queues to the backend, each group in order`,
      role: role.arn,
      runtime: "nodejs24.x",
      architectures: ["arm64"],
      handler: "index.handler",
      filename: this.asset(bundle.zip),
      sourceCodeHash: bundle.sourceCodeHash,
      timeout: timeoutSeconds,
      memorySize: memoryMegabytes,
      environment: {
        variables: consumerEnvironment(deployment, {
          backendUrl,
          parkingLotTable: parkingLot.tableName,
          queues,
        }),
      },
      ...(key === undefined ? {} : { kmsKeyArn: key.arn }),
      ...(reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: reservedConcurrency }),
      ...(deployment.tracing ? { tracingConfig: { mode: "Active" } } : {}),
      ...(place === undefined ? {} : { vpcConfig: place.vpcConfig }),
      // Lambda would make a log group of its own, one that is kept forever, and fail on messages that it may not take yet. In a
      // network, it makes its interfaces with the role's permissions, and deletes them so once the function is gone.
      dependsOn: [logs, role.policy, ...(place?.needs ?? [])],
    });

    for (const queue of queues) {
      new LambdaEventSourceMapping(this, queue.config.name, {
        eventSourceArn: queue.arn,
        functionName: consumer.arn,
        batchSize: queue.config.batchSize,
        functionResponseTypes: ["ReportBatchItemFailures"],
        scalingConfig: { maximumConcurrency: queue.config.maximumConcurrency },
        enabled: true,
        dependsOn: [role.policy],
      });
    }
    this.functionName = consumer.functionName;
    this.functionArn = consumer.arn;
    this.logGroupName = logs.name;
  }

  /** Puts the zip into the stack's output folder. cdktf copies assets from files, so one is made for as long as it takes. */
  private asset(zip: Uint8Array): string {
    const folder = mkdtempSync(join(tmpdir(), "fifo-gateway-"));
    const file = join(folder, "consumer.zip");
    writeFileSync(file, zip);
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    return new TerraformAsset(this, "code", { path: file, type: AssetType.FILE }).path;
  }
}
