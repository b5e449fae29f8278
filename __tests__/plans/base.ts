import { existsSync } from "node:fs";
import type { Document } from "../helpers/for-moto.ts";
import { DEPLOYMENTS, type DeploymentName, PARTS } from "./deployments.ts";
import { apply, emit, folderOf, initialise, plan, refresh, type Terraform } from "./terraform.ts";

/** What is in the account besides: a parameter of somebody else's, of a type that no rule knows. */
export function addForeign(stack: string, document: Document): void {
  if (stack !== "dev-delivery") return;
  document.resource["aws_ssm_parameter"] = { note: { name: "/dev/note", type: "String", value: "of somebody else's" } };
}

/**
 * Applies a deployment, each stack after those whose state it reads, and takes into the states what AWS has made of it.
 *
 * @returns each stack's plan right after its apply, as Terraform prints it
 */
export async function applyBase(terraform: Terraform, name: DeploymentName): Promise<string[]> {
  emit(terraform, DEPLOYMENTS[name], addForeign);
  const first: string[] = [];
  for (const stack of PARTS.map((part) => `${name}-${part}`)) {
    if (!existsSync(folderOf(terraform, stack))) continue;
    console.log(`${stack}: applying`);
    await initialise(terraform, stack);
    await apply(terraform, stack);
    first.push(await plan(terraform, stack));
    await refresh(terraform, stack);
  }
  return first;
}
