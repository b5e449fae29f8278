import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { synthesise } from "../../runtime/local/synth.ts";
import type { EmittedResource } from "../../runtime/local/terraform/model.ts";
import { readDeployment } from "../../runtime/local/terraform/read-deployment.ts";
import { projectRoot } from "./emitted.ts";

export const REGION = "ap-northeast-2";
export const ACCOUNT_ID = "000000000000";
/** Nothing listens there. */
export const NOWHERE = "http://127.0.0.1:1";

type Values = Readonly<Record<string, unknown>>;

/** Arguments that a resource has; `path` is the route that it belongs to, e.g. `/queue-1/batch`. */
export type Where = Readonly<Record<string, string>>;

let synthesised: Promise<string> | undefined;

/** What `main.ts` emits for the deployment `dev`, synthesised once in each test file's process. */
export async function gatewayResources(sqs = NOWHERE): Promise<readonly EmittedResource[]> {
  synthesised ??= synthesiseOnce();
  return resourcesIn(await synthesised, sqs);
}

/** What was emitted into a folder for the deployment `dev`, with its queues at `sqs`. */
export async function resourcesIn(folder: string, sqs = NOWHERE): Promise<readonly EmittedResource[]> {
  const { resources } = await readDeployment({
    folder,
    deployment: "dev",
    variables: {},
    accountId: ACCOUNT_ID,
    endpoints: { sqs, gateway: NOWHERE },
    apiKeyValue: (name) => `value-of-the-key-${name}`,
  });
  return resources;
}

async function synthesiseOnce(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-synth-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  await synthesise(projectRoot, folder);
  return folder;
}

/** The resources of a type that have all these arguments. Terraform's names do not count: they may change. */
export function select(resources: readonly EmittedResource[], type: string, where: Where = {}): EmittedResource[] {
  const { path, ...values } = where;
  const at = path === undefined ? [] : [["resource_id", resourceId(resources, path)]];
  const wanted = [...Object.entries(values), ...at];
  const found = resources.filter(
    (resource) => resource.type === type && wanted.every(([name = "", value]) => resource.values[name] === value),
  );
  if (found.length === 0) throw new Error(`no ${type} with ${JSON.stringify(where)} was emitted`);
  return found;
}

/** The one resource of a type that has all these arguments. */
export function selectOne(resources: readonly EmittedResource[], type: string, where: Where = {}): EmittedResource {
  const [found, another] = select(resources, type, where);
  if (found === undefined || another !== undefined) throw new Error(`several ${type} have ${JSON.stringify(where)}`);
  return found;
}

/** The same resources with arguments of the selected ones changed; `undefined` takes an argument away. */
export function changed(
  resources: readonly EmittedResource[],
  type: string,
  where: Where,
  values: Values,
): EmittedResource[] {
  const found = new Set(select(resources, type, where));
  return resources.map((resource) => {
    if (!found.has(resource)) return resource;
    const merged = Object.entries({ ...resource.values, ...values }).filter(([, value]) => value !== undefined);
    return { ...resource, values: Object.fromEntries(merged) };
  });
}

/** The same resources less the selected ones. */
export function without(resources: readonly EmittedResource[], type: string, where: Where = {}): EmittedResource[] {
  const found = new Set(select(resources, type, where));
  return resources.filter((resource) => !found.has(resource));
}

/** A resource that no stack emits. */
export function madeUp(type: string, name: string, values: Values): EmittedResource {
  return { stack: "test", type, name, address: `test/${type}.${name}`, values };
}

/** An argument that has to be text. */
export function argumentOf(resource: EmittedResource, argument: string): string {
  return z.string(`${resource.address}: ${argument}`).parse(resource.values[argument]);
}

/** The value of a key that may send. */
export function apiKey(resources: readonly EmittedResource[]): string {
  const [planKey] = select(resources, "aws_api_gateway_usage_plan_key");
  const id = planKey === undefined ? "" : argumentOf(planKey, "key_id");
  return argumentOf(selectOne(resources, "aws_api_gateway_api_key", { id }), "value");
}

/** The queue behind a route. */
export function queueOf(resources: readonly EmittedResource[], path: string): EmittedResource {
  const uri = argumentOf(selectOne(resources, "aws_api_gateway_integration", { path }), "uri");
  return selectOne(resources, "aws_sqs_queue", { name: uri.slice(uri.lastIndexOf("/") + 1) });
}

/** Selects the role that a route calls its queue with. */
export function roleOf(resources: readonly EmittedResource[], path: string): { readonly arn: string } {
  return { arn: argumentOf(selectOne(resources, "aws_api_gateway_integration", { path }), "credentials") };
}

/** Selects the policy of that role. */
export function policyOf(resources: readonly EmittedResource[], path: string): { readonly role: string } {
  return { role: argumentOf(selectOne(resources, "aws_iam_role", roleOf(resources, path)), "name") };
}

/** The text of a policy document. */
export function policy(statements: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

/** The mapping template of a resource for JSON, as it reaches AWS. */
export function templateOf(resource: EmittedResource): string {
  const { request_templates, response_templates } = resource.values;
  const templates = z.object({ "application/json": z.string() }).parse(request_templates ?? response_templates);
  return templates["application/json"];
}

function resourceId(resources: readonly EmittedResource[], path: string): string {
  const found = resources.find(({ type, values }) => type === "aws_api_gateway_resource" && values.path === path);
  if (found === undefined) throw new Error(`no route ${path} was emitted`);
  return argumentOf(found, "id");
}
