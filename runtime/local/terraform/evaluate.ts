import { TerraformError } from "./error.ts";
import { FUNCTIONS } from "./functions.ts";
import type { Expression, Step } from "./syntax.ts";
import { asText } from "./text.ts";

/** What a reference's leading names stand for: a value, and how many of the names it took to say which. */
export interface Resolution {
  readonly value: unknown;
  readonly used: number;
}

/** Finds what a reference means, e.g. `["aws_sqs_queue", "main", "arn"]`. */
export type Lookup = (names: readonly string[]) => Resolution;

/**
 * The value of a parsed expression.
 *
 * @throws TerraformError `unknown-function` with its name, `unknown-reference`, or `invalid-expression` where types do not fit.
 * @example evaluate(parseTemplate("${1 + 1}"), lookup) // 2
 */
export function evaluate(expression: Expression, lookup: Lookup): unknown {
  const value = (inner: Expression): unknown => evaluate(inner, lookup);
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "template":
      return expression.parts.map((part) => asText(value(part))).join("");
    case "reference": {
      const names = leadingNames(expression.root, expression.steps);
      const found = lookup(names);
      return walk(found.value, expression.steps.slice(found.used - 1), value, names.slice(0, found.used).join("."));
    }
    case "access":
      return walk(value(expression.of), expression.steps, value, "(...)");
    case "call": {
      const call = FUNCTIONS[expression.name];
      if (call === undefined) {
        throw new TerraformError("unknown-function", `local mode does not know the function ${expression.name}()`);
      }
      return call(...expression.args.map(value));
    }
    case "list":
      return expression.items.map(value);
    case "object":
      return Object.fromEntries(expression.entries.map(([key, item]) => [asText(value(key)), value(item)]));
    case "unary":
      return expression.operator === "!" ? !asTruth(value(expression.operand)) : -asNumber(value(expression.operand));
    case "binary":
      return binary(expression.operator, value(expression.left), value(expression.right));
    case "condition":
      return value(asTruth(value(expression.when)) ? expression.yes : expression.no);
  }
}

function leadingNames(root: string, steps: readonly Step[]): string[] {
  const names = [root];
  for (const step of steps) {
    if (step.kind !== "attribute") break;
    names.push(step.name);
  }
  return names;
}

function walk(start: unknown, steps: readonly Step[], value: (inner: Expression) => unknown, path: string): unknown {
  let here = start;
  let where = path;
  for (const step of steps) {
    const key = step.kind === "attribute" ? step.name : value(step.key);
    where += typeof key === "number" ? `[${key}]` : `.${asText(key)}`;
    here = inside(here, key);
    if (here === undefined) throw new TerraformError("unknown-reference", `there is no ${where}`);
  }
  return here;
}

function inside(container: unknown, key: unknown): unknown {
  if (Array.isArray(container)) return container[Number(key)];
  if (typeof container !== "object" || container === null) return undefined;
  return new Map(Object.entries(container)).get(asText(key));
}

function binary(operator: string, left: unknown, right: unknown): unknown {
  switch (operator) {
    case "||":
      return asTruth(left) || asTruth(right);
    case "&&":
      return asTruth(left) && asTruth(right);
    case "==":
      return JSON.stringify(left) === JSON.stringify(right);
    case "!=":
      return JSON.stringify(left) !== JSON.stringify(right);
    case "<":
      return asNumber(left) < asNumber(right);
    case "<=":
      return asNumber(left) <= asNumber(right);
    case ">":
      return asNumber(left) > asNumber(right);
    case ">=":
      return asNumber(left) >= asNumber(right);
    case "+":
      return asNumber(left) + asNumber(right);
    case "-":
      return asNumber(left) - asNumber(right);
    case "*":
      return asNumber(left) * asNumber(right);
    case "/":
      return asNumber(left) / asNumber(right);
    case "%":
      return asNumber(left) % asNumber(right);
    default:
      throw new TerraformError("invalid-expression", `local mode does not know the operator ${operator}`);
  }
}

function asNumber(value: unknown): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw new TerraformError("invalid-expression", `a number is needed, not ${typeof value}`);
}

function asTruth(value: unknown): boolean {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw new TerraformError("invalid-expression", `true or false is needed, not ${typeof value}`);
}
