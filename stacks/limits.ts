// Numbers of AWS's that a configuration is held against, each with where AWS says it.

/** DynamoDB's items end at 400 KiB (409,600 bytes). 20 KiB of it are for what a parked message has besides its body. */
export const PARKED_MAX_MESSAGE_BYTES = 389_120;

/** Longest SQS name, `.fifo` included (SQS quota "Queue name"). */
export const SQS_NAME_CHARACTERS = 80;

/** Longest role name (IAM quota). The consumer's role has the longest name of a deployment's, longer than its function's. */
export const ROLE_NAME_CHARACTERS = 64;

/** All of a function's environment, names and values, in bytes (Lambda quota). */
export const ENVIRONMENT_BYTES = 4_096;

/** An instance's user data as it is sent, before base64, in bytes (EC2, "Run commands when you launch an EC2 instance with user data input"). */
export const USER_DATA_BYTES = 16_384;

/** Longest API Gateway resource policy, in characters (API Gateway quota; it can be raised). */
export const RESOURCE_POLICY_CHARACTERS = 8_192;

/** Resources of one API (API Gateway quota; it can be raised). The root is one, and each queue has two. */
export const API_RESOURCES = 300;

/** Usage plans of an account and region (API Gateway quota; it can be raised). Each producer has one. */
export const USAGE_PLANS = 300;

/** Longest domain name that a certificate can be issued for as its first name (ACM, "Domain names"; X.509's common name). */
export const CERTIFICATE_NAME_CHARACTERS = 64;

/** Longest workspace name (Terraform Cloud, "Workspace naming"). */
export const WORKSPACE_NAME_CHARACTERS = 90;

/** SQS looks for available groups among this many messages only (SQS, "Avoiding large backlogs with the same group id"). */
export const GROUPS_FOUND_WITHIN = 120_000;

/** Tags of a resource (AWS, "Tag naming limits and requirements"). */
export const TAGS = 50;
