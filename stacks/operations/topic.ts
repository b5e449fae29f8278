import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity/index.js";
import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic/index.js";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy/index.js";
import { SnsTopicSubscription } from "@cdktf/provider-aws/lib/sns-topic-subscription/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import type { EncryptionKey } from "../messaging/encryption-key.ts";
import { alarmTopicName } from "../names.ts";
import { forAlarmsOf, refusedByPlainHttp } from "../policy-statements.ts";

interface AlarmTopicProps {
  readonly deployment: DeploymentConfig;
  readonly emails: readonly string[];
  /**
   * Encrypts what waits in the topic. Without it nothing does: the key that AWS keeps for SNS does not let CloudWatch in ("Why
   * didn't I receive an SNS notification for my CloudWatch alarm trigger?"). What alarms say holds no message and no group.
   */
  readonly key: EncryptionKey | undefined;
}

/**
 * Where alarms are sent to, and from there by mail to whom the configuration names; others, a chat or a pager, can subscribe to it.
 *
 * An address has no subscription until it is confirmed from there. SNS forgets it after 48 hours, and the next apply sends another
 * mail. Until it is confirmed it cannot be taken away either: Terraform forgets it then, and SNS does 48 hours later.
 */
export class AlarmTopic extends Construct {
  readonly arn: string;
  /** To be depended on by what publishes. */
  readonly policy: SnsTopicPolicy;

  constructor(scope: Construct, { deployment, emails, key }: AlarmTopicProps) {
    super(scope, "topic");
    const account = new DataAwsCallerIdentity(this, "account", {}).accountId;
    const topic = new SnsTopic(this, "topic", {
      name: alarmTopicName(deployment),
      // Whom mails are from.
      displayName: `${deployment.name} FIFO gateway`,
      ...(key === undefined ? {} : { kmsMasterKeyId: key.arn }),
    });
    this.policy = new SnsTopicPolicy(this, "policy", {
      arn: topic.arn,
      policy: JSON.stringify({ Version: "2012-10-17", Statement: statements(deployment, account, topic.arn) }),
    });
    for (const email of emails) {
      new SnsTopicSubscription(this, addressId(email), { topicArn: topic.arn, protocol: "email", endpoint: email });
    }
    this.arn = topic.arn;
  }
}

/** Alarms of this deployment may publish, and nobody over plain HTTP (SNS, "Amazon SNS security best practices"). */
function statements(deployment: DeploymentConfig, account: string, topic: string): object[] {
  return [
    {
      Sid: "PublishAlarms",
      Effect: "Allow",
      Principal: { Service: "cloudwatch.amazonaws.com" },
      Action: "sns:Publish",
      Resource: topic,
      Condition: forAlarmsOf(deployment, account),
    },
    refusedByPlainHttp("sns:Publish", topic),
  ];
}

const PUNCTUATION: Readonly<Record<string, string>> = {
  // Doubled, so that two addresses never give one name: ops.alarm@ and ops-dot-alarm@.
  "-": "--",
  "@": "-at-",
  ".": "-dot-",
  _: "-low-",
  "+": "-plus-",
  "'": "-quote-",
};

/**
 * An address as a part of a Terraform name, e.g. `ops-at-kimalarm-dot-example`: by the address itself, so that the order of addresses
 * in the configuration means nothing, and one that is taken out takes no other with it.
 */
function addressId(email: string): string {
  return email.replaceAll(/[^A-Za-z0-9]/g, (character) => PUNCTUATION[character] ?? `-u${character.codePointAt(0)}-`);
}
