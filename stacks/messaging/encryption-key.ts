import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity/index.js";
import { KmsAlias } from "@cdktf/provider-aws/lib/kms-alias/index.js";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { encryptionKeyAlias, executionLogGroup, logGroupPrefixes } from "../names.ts";
import { forAlarmsOf } from "../policy-statements.ts";
import type { ServiceRole } from "../role.ts";
import { KEY_POLICY_STATEMENTS } from "../wildcards.ts";

/** How long a deleted key can still be kept, in days (KMS: 7 to 30): as long as it can be, since what it encrypts goes with it. */
const DELETION_WINDOW_DAYS = 30;

/**
 * The deployment's own KMS key. It encrypts whatever may hold a message or an address: queues, table, logs, the function's
 * environment, the response server's disk, the alarms' topic.
 *
 * Roles of this account get it by their own policies, from what grants them the encrypted thing. Services that act by themselves,
 * CloudWatch's logs and alarms, stand in the key's policy.
 */
export class EncryptionKey extends Construct {
  readonly arn: string;

  constructor(scope: Construct, deployment: DeploymentConfig) {
    super(scope, "encryption");
    const account = new DataAwsCallerIdentity(this, "account", {}).accountId;
    const key = new KmsKey(this, "key", {
      description: `Encrypts what ${deployment.name}'s FIFO gateway stores`,
      enableKeyRotation: true,
      deletionWindowInDays: DELETION_WINDOW_DAYS,
      policy: JSON.stringify({ Version: "2012-10-17", Statement: statements(deployment, account) }),
      ...(deployment.protect ? { lifecycle: { preventDestroy: true } } : {}),
    });
    new KmsAlias(this, "alias", { name: encryptionKeyAlias(deployment), targetKeyId: key.keyId });
    this.arn = key.arn;
  }

  /** Lets a role send to, and receive from, the queues that it may use otherwise (SQS, "Configuring AWS KMS permissions"). */
  grantQueues(role: ServiceRole): void {
    role.allow("UseKeyForQueues", ["kms:Decrypt", "kms:GenerateDataKey"], [this.arn]);
  }

  /** Lets a role read and write the table that it may use otherwise (DynamoDB, "Authorizing use of your customer managed key"). */
  grantTable(role: ServiceRole): void {
    role.allow(
      "UseKeyForTable",
      [
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
      ],
      [this.arn],
    );
  }

  /** Lets Lambda decrypt the environment of a role's function, which it does as the role (Lambda, "Securing Lambda environment variables"). */
  grantEnvironment(role: ServiceRole): void {
    role.allow("UseKeyForEnvironment", ["kms:Decrypt"], [this.arn]);
  }
}

/**
 * Names of log groups that the key may encrypt. The gateway's id, which its execution log is named by, is not known here, so each
 * API of this account may keep the execution log of a stage of this name under the key; whoever may read that log reads it then
 * as before, and nothing of this deployment.
 */
function logGroups(deployment: DeploymentConfig): string[] {
  const names = logGroupPrefixes(deployment).map((prefix) => `${prefix}*`);
  return deployment.gateway.accountRole === undefined ? names : [...names, executionLogGroup("*", deployment.stage)];
}

/** Who may use the key. */
function statements(deployment: DeploymentConfig, account: string): object[] {
  const { region } = deployment;
  return [
    allow("AdministerKey", { AWS: `arn:aws:iam::${account}:root` }),
    allow(
      "EncryptLogs",
      { Service: `logs.${region}.amazonaws.com` },
      {
        ArnLike: {
          "kms:EncryptionContext:aws:logs:arn": logGroups(deployment).map(
            (name) => `arn:aws:logs:${region}:${account}:log-group:${name}`,
          ),
        },
      },
    ),
    // To send to a topic, CloudWatch needs the topic's key as well.
    ...(deployment.operations === undefined
      ? []
      : [allow("SendAlarms", { Service: "cloudwatch.amazonaws.com" }, forAlarmsOf(deployment, account))]),
  ];
}

/** In a key's policy, the resource `*` is the key itself (KMS, "Key policies in AWS KMS"). */
function allow(sid: keyof typeof KEY_POLICY_STATEMENTS, principal: object, condition?: object): object {
  return {
    Sid: sid,
    Effect: "Allow",
    Principal: principal,
    Action: KEY_POLICY_STATEMENTS[sid].actions,
    Resource: "*",
    ...(condition === undefined ? {} : { Condition: condition }),
  };
}
