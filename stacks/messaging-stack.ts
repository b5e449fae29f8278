import type { Construct } from "constructs";
import type { DeploymentConfig } from "./config.ts";
import { DeploymentStack } from "./deployment-stack.ts";
import { EncryptionKey } from "./messaging/encryption-key.ts";
import { FifoQueue } from "./messaging/fifo-queue.ts";
import { ParkingLot } from "./messaging/parking-lot.ts";

/** What holds messages: the queues, their dead-letter queues and the parking lot. Everything else can be made anew. */
export class MessagingStack extends DeploymentStack {
  /** The deployment's own key; undefined where AWS keeps the keys. */
  readonly key: EncryptionKey | undefined;
  readonly queues: readonly FifoQueue[];
  readonly parkingLot: ParkingLot;

  constructor(scope: Construct, deployment: DeploymentConfig) {
    super(scope, "messaging", deployment);
    this.key = deployment.encryption === "customer-managed" ? new EncryptionKey(this, deployment) : undefined;
    this.queues = deployment.queues.map((queue) => new FifoQueue(this, queue, deployment, this.key));
    this.parkingLot = new ParkingLot(this, deployment, this.key);
  }
}
