import { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table/index.js";
import { Construct } from "constructs";
import { type DeploymentConfig, parkingLotName } from "../config.ts";
import type { ServiceRole } from "../role.ts";

/**
 * The parking-lot table: one for all queues. Its keys are fixed from the first deployment on, since a change of them
 * would replace the table.
 */
export class ParkingLot extends Construct {
  readonly tableName: string;
  readonly arn: string;

  constructor(scope: Construct, deployment: DeploymentConfig) {
    super(scope, "parking-lot");
    const table = new DynamodbTable(this, "table", {
      name: parkingLotName(deployment),
      billingMode: "PAY_PER_REQUEST",
      hashKey: "pk",
      rangeKey: "sk",
      attribute: [
        { name: "pk", type: "S" },
        { name: "sk", type: "S" },
        { name: "parkedQueue", type: "S" },
        { name: "parkedAt", type: "S" },
      ],
      globalSecondaryIndex: [
        { name: "parked-groups", hashKey: "parkedQueue", rangeKey: "parkedAt", projectionType: "KEYS_ONLY" },
      ],
      ttl: { attributeName: "expiresAt", enabled: true },
      pointInTimeRecovery: { enabled: true },
      serverSideEncryption: { enabled: true },
      deletionProtectionEnabled: deployment.protect,
      ...(deployment.protect ? { lifecycle: { preventDestroy: true } } : {}),
    });
    this.tableName = table.name;
    this.arn = table.arn;
  }

  /** Lets a role count the failed attempts of a message, and forget them. */
  grantCountAttempts(role: ServiceRole): void {
    role.allow("CountAttempts", ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [this.arn]);
  }
}
