import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { App } from "cdktf";
import type { DeploymentInput } from "../../stacks/config.ts";
import { deploy } from "../../stacks/deploy.ts";
import { adaptForMoto, type Document, documentSchema } from "../helpers/for-moto.ts";

const exec = promisify(execFile);

/** The real Terraform, with the real provider, on what a deployment emits. */
export interface Terraform {
  /** Holds the state files and a folder for each stack. */
  readonly work: string;
  /** Where AWS's services answer, e.g. moto's address. */
  readonly endpoint: string;
  /** The provider's version, e.g. `5.100.0`. */
  readonly provider: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What AWS's provider 5 does not know yet, and what terraform-check replaces as well. */
const OLDER_PROVIDER = { runtime: "nodejs22.x", largestMessage: 262_144 } as const;

const SERVICES =
  "acm apigateway cloudwatch cloudwatchevents dynamodb ec2 iam kms lambda logs route53 s3 sns sqs ssm sts wafv2";

/**
 * Finds both. The provider is looked for in the folders of a filesystem mirror (Terraform CLI configuration, `filesystem_mirror`).
 *
 * @param mirrors folders that hold `registry.terraform.io/hashicorp/aws/<version>/<platform>`
 * @returns undefined when one of them is missing
 */
export async function findTerraform(
  work: string,
  endpoint: string,
  mirrors: readonly string[],
): Promise<Terraform | undefined> {
  try {
    await exec("terraform", ["version"]);
  } catch {
    return undefined;
  }
  for (const path of mirrors) {
    const provider = versionsIn(join(path, "registry.terraform.io/hashicorp/aws")).at(-1);
    if (provider === undefined) continue;
    mkdirSync(work, { recursive: true });
    const configuration = join(work, "terraformrc");
    const mirror = `filesystem_mirror {\n    path = ${JSON.stringify(path)}\n  }`;
    writeFileSync(configuration, `provider_installation {\n  ${mirror}\n}\n`);
    const keys = { AWS_ACCESS_KEY_ID: "plans", AWS_SECRET_ACCESS_KEY: "plans", AWS_EC2_METADATA_DISABLED: "true" };
    const quiet = { CHECKPOINT_DISABLE: "1", TF_IN_AUTOMATION: "1", TF_CLI_CONFIG_FILE: configuration };
    return { work, endpoint, provider, env: { ...process.env, ...keys, ...quiet } };
  }
  return undefined;
}

function versionsIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
  } catch {
    return [];
  }
}

/**
 * Emits a deployment into the working folder, ready for Terraform.
 *
 * @param change edits a stack's document, for what `main.ts` cannot say
 */
export function emit(
  terraform: Terraform,
  input: DeploymentInput,
  change: (stack: string, document: Document) => void = () => {},
): void {
  const app = new App({ outdir: join(terraform.work, "out") });
  deploy(app, input);
  app.synth();
  for (const stack of app.node.children.map(({ node }) => node.id)) {
    const path = join(folderOf(terraform, stack), "cdk.tf.json");
    const document = documentSchema.parse(JSON.parse(readFileSync(path, "utf8")));
    change(stack, document);
    adaptForMoto(stack, document);
    adaptForProvider(terraform, document);
    writeFileSync(path, JSON.stringify(document, null, 2));
  }
}

function adaptForProvider({ endpoint, provider }: Terraform, { terraform, provider: providers, resource }: Document) {
  terraform.required_providers["aws"] = { source: "hashicorp/aws", version: provider };
  if (Number(provider.split(".")[0]) < 6) {
    const { runtime, largestMessage } = OLDER_PROVIDER;
    for (const lambda of Object.values(resource["aws_lambda_function"] ?? {})) lambda["runtime"] = runtime;
    for (const queue of Object.values(resource["aws_sqs_queue"] ?? {}))
      queue["max_message_size"] = Math.min(Number(queue["max_message_size"]), largestMessage);
  }
  for (const aws of providers["aws"] ?? []) {
    const endpoints = [Object.fromEntries(SERVICES.split(" ").map((service) => [service, endpoint]))];
    const skips = { skip_credentials_validation: true, skip_metadata_api_check: "true", skip_region_validation: true };
    Object.assign(aws, { endpoints, s3_use_path_style: true, ...skips });
    delete aws["allowed_account_ids"];
  }
}

/** `terraform init`, unless the stack has been initialised. */
export async function initialise(terraform: Terraform, stack: string): Promise<void> {
  try {
    readdirSync(join(folderOf(terraform, stack), ".terraform"));
  } catch {
    await run(terraform, stack, "init", "-no-color");
  }
}

/** `terraform apply`. */
export async function apply(terraform: Terraform, stack: string): Promise<void> {
  await run(terraform, stack, "apply", "-no-color", "-auto-approve");
}

/** Takes what AWS has into the state: without it, the next plan shows what it has filled in as if somebody had changed it. */
export async function refresh(terraform: Terraform, stack: string): Promise<void> {
  await run(terraform, stack, "apply", "-no-color", "-auto-approve", "-refresh-only");
}

/** `terraform plan`, then `terraform show -json` of it, also where planning ended in an error. @returns the JSON text, as Terraform prints it */
export async function plan(terraform: Terraform, stack: string, ...options: readonly string[]): Promise<string> {
  const file = join(folderOf(terraform, stack), "reviewed.tfplan");
  try {
    await run(terraform, stack, "plan", "-no-color", "-lock=false", `-out=${file}`, ...options);
  } catch (error) {
    if (!existsSync(file)) throw error;
  }
  try {
    return await run(terraform, stack, "show", "-json", file);
  } finally {
    rmSync(file, { force: true });
  }
}

export function folderOf({ work }: Terraform, stack: string): string {
  return join(work, "out", "stacks", stack);
}

async function run(terraform: Terraform, stack: string, verb: string, ...options: readonly string[]): Promise<string> {
  const input = verb === "show" ? [] : ["-input=false"];
  try {
    const { stdout } = await exec("terraform", [verb, ...input, ...options], {
      cwd: folderOf(terraform, stack),
      env: terraform.env,
      maxBuffer: LARGEST_OUTPUT,
    });
    return stdout;
  } catch (error) {
    const told =
      typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr) : String(error);
    throw new Error(`terraform ${verb} of ${stack}: ${told.trim().slice(0, TOLD_CHARACTERS)}`, { cause: error });
  }
}

/** Of one command, in bytes. */
const LARGEST_OUTPUT = 256 * 1_024 * 1_024;

/** Of an error, which quotes the line that it is in. */
const TOLD_CHARACTERS = 1_500;
