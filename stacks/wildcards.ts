/**
 * Every statement that allows an action on `"*"`, or all actions of a service, by its `Sid`, and why AWS leaves no choice. No
 * other statement of the stacks has a wildcard: `ServiceRole` takes these from here, and a test looks at all that is emitted.
 */
export const WILDCARD_STATEMENTS = {
  TraceRequests: {
    actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    reason: "X-Ray has no resource that these actions could be limited to (Service Authorization Reference, AWS X-Ray)",
  },
  DescribeNetwork: {
    actions: ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"],
    reason:
      'Lambda looks up a function\'s interfaces and subnets, and EC2 limits no "Describe" action to a resource (Lambda, "Giving Lambda functions access to resources in an Amazon VPC"; Service Authorization Reference, Amazon EC2)',
  },
  UseSessionManager: {
    actions: [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ],
    reason:
      'what Session Manager needs at least, as its page has it (Systems Manager, "Add Session Manager permissions to an existing IAM role"); AWS\'s own policy for it could read every parameter of the account besides',
  },
} as const satisfies Readonly<Record<string, { readonly actions: readonly string[]; readonly reason: string }>>;

export type WildcardStatement = keyof typeof WILDCARD_STATEMENTS;

/** The statements of the key's policy. Their resource is `*`, which in a key's policy is that key (KMS, "Key policies in AWS KMS"). */
export const KEY_POLICY_STATEMENTS = {
  AdministerKey: {
    actions: ["kms:*"],
    reason:
      'without it nobody could change the key again, and the roles\' own policies would not count for it (KMS, "Default key policy")',
  },
  EncryptLogs: {
    actions: [
      "kms:Encrypt",
      "kms:Decrypt",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:DescribeKey",
    ],
    reason:
      "CloudWatch Logs encrypts by itself, and only groups of this deployment, or named as its gateway's execution log is",
  },
  SendAlarms: {
    actions: ["kms:Decrypt", "kms:GenerateDataKey"],
    reason: "CloudWatch sends to an encrypted topic, and only alarms of this deployment",
  },
} as const satisfies Readonly<Record<string, { readonly actions: readonly string[]; readonly reason: string }>>;

/** Statements of resources' policies that allow everyone (principal `*`) something, by their `Sid`. Their resource is an ARN. */
export const PUBLIC_STATEMENTS = {
  InvokeApi: {
    actions: ["execute-api:Invoke"],
    reason:
      'producers have no identity at AWS, and a statement beside it denies the sources that are not listed (API Gateway, "API Gateway resource policy examples")',
  },
  ReadPackages: {
    actions: ["s3:GetObject"],
    reason:
      "the policy of an endpoint, which only limits what its network may do; dnf reads Amazon's packages without an identity",
  },
} as const satisfies Readonly<Record<string, { readonly actions: readonly string[]; readonly reason: string }>>;

export type PublicStatement = keyof typeof PUBLIC_STATEMENTS;

/** Every policy of AWS's own that is attached, by its name, and why it is none of ours. */
export const MANAGED_POLICIES = {
  AmazonAPIGatewayPushToCloudWatchLogs: {
    arn: "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs",
    reason:
      'the role is the account\'s: every API of it writes its logs with it, into groups that this deployment does not know (API Gateway, "Set up CloudWatch logging for REST APIs")',
  },
} as const satisfies Readonly<Record<string, { readonly arn: string; readonly reason: string }>>;

export type ManagedPolicy = keyof typeof MANAGED_POLICIES;
