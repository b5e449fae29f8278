import { TemplateError } from "./error.ts";
import { isKnownPath } from "./json-path.ts";
import type { Expression, Reference, TemplateNode } from "./syntax.ts";
import { GIVEN_OVERLOADS } from "./variables.ts";

/** What `$context` has in a template, besides what is written to it. */
export const CONTEXT_FIELDS = [
  "accountId",
  "apiId",
  "deploymentId",
  "domainName",
  "extendedRequestId",
  "httpMethod",
  "path",
  "protocol",
  "requestId",
  "requestTimeEpoch",
  "resourceId",
  "resourcePath",
  "stage",
] as const;

const FOREACH_FIELDS = ["index", "count", "hasNext", "first", "last"];

/**
 * Finds what would fail, or silently print itself, when the template is rendered: names that nothing sets, and members that
 * API Gateway's objects lack.
 *
 * @param name how errors name the template
 * @throws TemplateError TEMPLATE_INVALID, naming template, line and construct
 */
export function checkTemplate(name: string, nodes: readonly TemplateNode[]): void {
  const known = new Set(["input", "util", "context", "stageVariables"]);
  collectNames(nodes, known);
  const fail = (reference: Reference, why: string): never => {
    throw new TemplateError("TEMPLATE_INVALID", `${name}, line ${reference.line}: ${reference.source}: ${why}`);
  };
  eachReference(nodes, (reference, written) => {
    if (written) {
      if (
        reference.name === "context" ? !isOverride(reference) : reference.steps.length > 0 || isGiven(reference.name)
      ) {
        fail(reference, "only plain names and $context.responseOverride.status or .header.<name> can be set");
      }
      return;
    }
    if (!known.has(reference.name)) fail(reference, `nothing sets $${reference.name}`);
    const [first] = reference.steps;
    if (first === undefined) {
      if (isGiven(reference.name)) fail(reference, "names an object of API Gateway where a value is needed");
      return;
    }
    if (first.kind === "index") return;
    const methods = GIVEN_OVERLOADS.get(reference.name);
    if (first.kind === "method" && (methods !== undefined || isGiven(reference.name))) {
      const counts = methods?.get(first.name)?.map(({ length }) => length);
      if (counts === undefined) return fail(reference, `$${reference.name} has no method ${first.name}`);
      if (!counts.includes(first.args.length)) {
        fail(
          reference,
          `$${reference.name}.${first.name} takes ${counts.join(" or ")} arguments, not ${first.args.length}`,
        );
      }
      const [path] = first.args;
      if (first.name !== "params" && reference.name === "input" && path?.kind === "literal") {
        if (typeof path.value !== "string" || !isKnownPath(path.value)) {
          fail(
            reference,
            `${String(path.value)} is none of the JSON paths that are known here ($, .name, ['name'], [0])`,
          );
        }
      }
      return;
    }
    if (first.kind !== "property") return;
    const fields =
      reference.name === "input"
        ? ["body"]
        : reference.name === "util"
          ? []
          : reference.name === "context"
            ? [...CONTEXT_FIELDS, "identity"]
            : reference.name === "foreach"
              ? FOREACH_FIELDS
              : undefined;
    if (fields !== undefined && !fields.includes(first.name))
      fail(reference, `$${reference.name} has no ${first.name}`);
    if (reference.name === "context" && first.name === "identity") {
      const field = reference.steps[1];
      if (field?.kind !== "property" || !["apiKeyId", "sourceIp", "userAgent"].includes(field.name)) {
        fail(reference, "of $context.identity there are apiKeyId, sourceIp and userAgent");
      }
    }
  });
}

function isGiven(name: string): boolean {
  return name === "input" || name === "util" || name === "context" || name === "stageVariables" || name === "foreach";
}

function isOverride(reference: Reference): boolean {
  const path = reference.steps.map((step) => (step.kind === "property" ? step.name : "?")).join(".");
  return path === "responseOverride.status" || /^responseOverride\.header\.[^.]+$/.test(path);
}

function collectNames(nodes: readonly TemplateNode[], into: Set<string>): void {
  for (const node of nodes) {
    if (node.kind === "set") into.add(node.target.name);
    if (node.kind === "foreach") {
      into.add(node.variable);
      into.add("foreach");
      collectNames(node.body, into);
    }
    if (node.kind === "if") {
      for (const branch of node.branches) collectNames(branch.body, into);
      collectNames(node.otherwise, into);
    }
  }
}

type Visit = (reference: Reference, written: boolean) => void;

function eachReference(nodes: readonly TemplateNode[], visit: Visit): void {
  for (const node of nodes) {
    switch (node.kind) {
      case "reference":
        eachInExpression(node, visit);
        break;
      case "set":
        visit(node.target, true);
        eachInExpression(node.value, visit);
        break;
      case "if":
        for (const branch of node.branches) {
          eachInExpression(branch.condition, visit);
          eachReference(branch.body, visit);
        }
        eachReference(node.otherwise, visit);
        break;
      case "foreach":
        eachInExpression(node.items, visit);
        eachReference(node.body, visit);
        break;
      default:
        break;
    }
  }
}

function eachInExpression(expression: Expression, visit: Visit): void {
  switch (expression.kind) {
    case "reference":
      visit(expression, false);
      for (const step of expression.steps) {
        if (step.kind === "method") for (const arg of step.args) eachInExpression(arg, visit);
        if (step.kind === "index") eachInExpression(step.index, visit);
      }
      break;
    case "interpolation":
      eachReference(expression.parts, visit);
      break;
    case "list":
      for (const item of expression.items) eachInExpression(item, visit);
      break;
    case "map":
      for (const [key, value] of expression.entries) {
        eachInExpression(key, visit);
        eachInExpression(value, visit);
      }
      break;
    case "range":
      eachInExpression(expression.from, visit);
      eachInExpression(expression.to, visit);
      break;
    case "not":
      eachInExpression(expression.operand, visit);
      break;
    case "binary":
      eachInExpression(expression.left, visit);
      eachInExpression(expression.right, visit);
      break;
    default:
      break;
  }
}
