import { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { parkingLotName } from "../names.ts";
import type { ServiceRole } from "../role.ts";
import type { EncryptionKey } from "./encryption-key.ts";

/** The sparse index with one entry for each group that has parked messages. */
const PARKED_GROUPS_INDEX = "parked-groups";

/**
 * The parking-lot table: one for all queues. Its keys are fixed from the first deployment on, since a change of them
 * would replace the table.
 */
export class ParkingLot extends Construct {
  readonly tableName: string;
  readonly arn: string;

  private readonly key: EncryptionKey | undefined;

  constructor(scope: Construct, deployment: DeploymentConfig, key: EncryptionKey | undefined) {
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
        { name: PARKED_GROUPS_INDEX, hashKey: "parkedQueue", rangeKey: "parkedAt", projectionType: "KEYS_ONLY" },
      ],
      ttl: { attributeName: "expiresAt", enabled: true },
      pointInTimeRecovery: { enabled: true },
      serverSideEncryption: { enabled: true, ...(key === undefined ? {} : { kmsKeyArn: key.arn }) },
      deletionProtectionEnabled: deployment.protect,
      ...(deployment.protect ? { lifecycle: { preventDestroy: true } } : {}),
    });
    this.tableName = table.name;
    this.arn = table.arn;
    this.key = key;
  }

  /**
   * Lets a role park messages and carry out what a person wants done with them. The same permissions count failed attempts and
   * mark starts, which is why they are needed under every failure policy; and what was parked before a change of policy can
   * still be delivered.
   */
  grantPark(role: ServiceRole): void {
    role.allow(
      "ParkMessages",
      ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"],
      [this.arn],
    );
    this.key?.grantTable(role);
  }

  /** Lets a role list the groups that have parked messages, by the index alone: it reads no body. */
  grantListParkedGroups(role: ServiceRole): void {
    role.allow("ListParkedGroups", ["dynamodb:Query"], [`${this.arn}/index/${PARKED_GROUPS_INDEX}`]);
  }
}
