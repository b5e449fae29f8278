import { basename } from "node:path";
import { deploymentOf } from "./attributes.ts";
import type { Plan } from "./plan.ts";

/** What is in one stack of a deployment only. */
const PART_OF = [
  ["messaging", "aws_sqs_queue"],
  ["delivery", "aws_lambda_function"],
  ["gateway", "aws_api_gateway_rest_api"],
  ["operations", "aws_cloudwatch_dashboard"],
] as const;

/**
 * What to call each plan's stack. A plan does not tell its stack: what is in it does, e.g. `prod-messaging` by the tag
 * `Deployment` and a queue. Where that names none, or two alike, the file's name does.
 */
export function stackNames(plans: readonly Plan[]): string[] {
  const told = plans.map(nameByContent);
  return plans.map(({ source }, at) => {
    const name = told[at];
    const isClear = name !== undefined && told.indexOf(name) === told.lastIndexOf(name);
    return isClear ? name : nameByFile(source);
  });
}

function nameByContent({ changes }: Plan): string | undefined {
  const part = PART_OF.find(([, type]) => changes.some((change) => change.type === type))?.[0];
  const deployments = new Set(changes.flatMap(({ before, after }) => [deploymentOf(before), deploymentOf(after)]));
  deployments.delete(undefined);
  const [deployment] = deployments;
  return part === undefined || deployments.size !== 1 ? undefined : `${deployment}-${part}`;
}

function nameByFile(source: string): string {
  return basename(source).replace(/(?:\.(?:tf)?plan)?\.json(?= |$)/, "");
}
