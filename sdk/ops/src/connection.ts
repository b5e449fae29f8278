import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SQSClient } from "@aws-sdk/client-sqs";
import { LocalFileError, readLocalFile } from "../../../runtime/local/local-file.ts";
import { OpsError } from "./errors.ts";

/** One deployment, in AWS or in a running local mode. */
export interface Connection {
  readonly sqs: SQSClient;
  readonly dynamodb: DynamoDBClient;
  /** Its name in `main.ts`, e.g. `dev`. */
  readonly deployment: string;
  readonly region: string;
  /** Closes the clients' connections. */
  close(): void;
}

export interface ConnectOptions {
  /** The deployment's name in `main.ts`. @default local mode's own; needed against AWS */
  readonly deployment?: string | undefined;
  /** AWS region. @default the SDK's own: `AWS_REGION`, else the profile's */
  readonly region?: string | undefined;
  /** Data folder of a running local mode, in place of AWS. */
  readonly local?: string | undefined;
}

/** For one try of a call, in milliseconds; each has three. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true } as const;

/**
 * Finds a deployment: in AWS with the SDK's usual credentials (environment, profile by `AWS_PROFILE`, single sign-on, role), or in a
 * running local mode.
 *
 * @throws OpsError `INVALID_ARGUMENT`, `NOT_RUNNING`, or `NOT_CONFIGURED` when there is no region
 * @example const connection = await connect({ deployment: "prod", region: "ap-northeast-2" });
 */
export async function connect({ deployment, region, local }: ConnectOptions): Promise<Connection> {
  checkDeployment(deployment);
  return local === undefined ? connectAws(deployment, region) : connectLocal(local, deployment, region);
}

async function connectAws(deployment: string | undefined, region: string | undefined): Promise<Connection> {
  if (deployment === undefined) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "deployment is missing: --deployment <name>, as main.ts has it; or --local for a running local mode",
    );
  }
  const options = { requestHandler: TIMEOUTS, ...(region === undefined ? {} : { region }) };
  const sqs = new SQSClient(options);
  const dynamodb = new DynamoDBClient(options);
  const found = await sqs.config.region().catch((cause: unknown) => {
    throw new OpsError(
      "NOT_CONFIGURED",
      "region is missing: --region <region>, AWS_REGION, or a profile that has one (AWS_PROFILE)",
      { cause },
    );
  });
  return connection(sqs, dynamodb, deployment, found);
}

function connectLocal(folder: string, deployment: string | undefined, region: string | undefined): Connection {
  const local = readLocal(folder);
  if (deployment !== undefined && deployment !== local.deployment) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `deployment is ${deployment}, and the local mode in ${folder} runs ${local.deployment}: leave --deployment out`,
    );
  }
  if (region !== undefined && region !== local.region) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `region is ${region}, and the local mode in ${folder} runs ${local.region}: leave --region out`,
    );
  }
  const options = {
    region: local.region,
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    requestHandler: TIMEOUTS,
  };
  // Local mode's own endpoint counts, whatever AWS_ENDPOINT_URL says.
  const sqs = new SQSClient({ ...options, endpoint: local.endpoints.sqs, useQueueUrlAsEndpoint: false });
  const dynamodb = new DynamoDBClient({ ...options, endpoint: local.endpoints.dynamodb });
  return connection(sqs, dynamodb, local.deployment, local.region);
}

function readLocal(folder: string) {
  try {
    return readLocalFile(folder);
  } catch (cause) {
    if (cause instanceof LocalFileError) throw new OpsError("NOT_RUNNING", cause.message, { cause });
    throw cause;
  }
}

function connection(sqs: SQSClient, dynamodb: DynamoDBClient, deployment: string, region: string): Connection {
  return {
    sqs,
    dynamodb,
    deployment,
    region,
    close() {
      sqs.destroy();
      dynamodb.destroy();
    },
  };
}

/** What the configuration takes as a deployment's name. */
function checkDeployment(deployment: string | undefined): void {
  if (deployment === undefined || /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(deployment)) return;
  throw new OpsError(
    "INVALID_ARGUMENT",
    `deployment is ${JSON.stringify(deployment)}: expected a name as main.ts has it, such as dev`,
  );
}
