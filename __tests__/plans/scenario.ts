import type { Severity } from "../../sdk/ops/src/plan/risk.ts";
import type { DeploymentInput } from "../../stacks/config.ts";
import type { Document } from "../helpers/for-moto.ts";
import type { DeploymentName, Part } from "./deployments.ts";

/** A plan of a deployment that has been applied, how it is made, and what its review has to say. */
export interface Scenario {
  /** The fixture's name. */
  readonly name: string;
  /** What was done before `terraform plan`. */
  readonly how: string;
  readonly deployment: DeploymentName;
  /** Whose plans are reviewed together. */
  readonly parts: readonly Part[];
  /** Another configuration in `main.ts`. */
  readonly configure?: (base: DeploymentInput) => DeploymentInput;
  /** An edit of what was emitted, for what no configuration says. Given each stack of `parts`. */
  readonly edit?: (document: Document) => void;
  /** Options of `terraform plan`. */
  readonly options?: readonly string[];
  /** What somebody does past Terraform before the plan, and how it is undone. */
  readonly outside?: { readonly act: (aws: Aws) => Promise<void>; readonly undo: (aws: Aws) => Promise<void> };
  /** Planned once, after the first apply and before the states have taken in what AWS fills in. */
  readonly isFirst?: true;
  /** The rules that its review has to name, with the worst severity of each: these, and no others. */
  readonly rules: Readonly<Record<string, Severity>>;
  /** Rules that it comes close to, and that must not be named. */
  readonly nearMissOf?: readonly string[];
  /** Rules that its review has to say it cannot judge. */
  readonly notJudged?: readonly string[];
}

/** Calls a service of AWS's as its query protocol has it. @returns the answer's text */
export type Aws = (
  service: "ec2" | "sqs" | "apigateway",
  action: string,
  parameters: Readonly<Record<string, string>>,
) => Promise<string>;

/** The arguments of an emitted resource. @throws when there is none */
export function argumentsOf(document: Document, type: string, name: string): Record<string, unknown> {
  const found = document.resource[type]?.[name];
  if (found === undefined) throw new Error(`nothing emitted is ${type}.${name}`);
  return found;
}

/** An edit that sets arguments. */
export function set(
  type: string,
  name: string,
  values: Readonly<Record<string, unknown>>,
): (document: Document) => void {
  return (document) => void Object.assign(argumentsOf(document, type, name), values);
}

/** An edit that takes a resource out, and out of what depends on it. */
export function without(...addresses: readonly string[]): (document: Document) => void {
  return (document) => {
    for (const address of addresses) {
      const [type = "", name = ""] = address.split(".");
      argumentsOf(document, type, name);
      delete document.resource[type]?.[name];
      if (Object.keys(document.resource[type] ?? {}).length === 0) delete document.resource[type];
    }
    for (const named of Object.values(document.resource))
      for (const values of Object.values(named)) {
        const needs = values["depends_on"];
        if (Array.isArray(needs)) values["depends_on"] = needs.filter((need) => !addresses.includes(String(need)));
      }
  };
}

/** An edit that changes an argument's text, e.g. a policy's. @throws when nothing changes */
export function rewrite(
  type: string,
  name: string,
  argument: string,
  change: (text: string) => string,
): (document: Document) => void {
  return (document) => {
    const values = argumentsOf(document, type, name);
    const before = String(values[argument]);
    values[argument] = change(before);
    if (values[argument] === before) throw new Error(`the edit of ${type}.${name}'s ${argument} changes nothing`);
  };
}

/** An edit that changes an argument that is JSON text. */
export function rewriteJson(
  type: string,
  name: string,
  argument: string,
  change: (value: Record<string, unknown[]>) => unknown,
): (document: Document) => void {
  return rewrite(type, name, argument, (text) => JSON.stringify(change(JSON.parse(text))));
}

/** Several edits. */
export function all(...edits: readonly ((document: Document) => void)[]): (document: Document) => void {
  return (document) => {
    for (const edit of edits) edit(document);
  };
}
