import { TemplateError } from "./error.ts";
import { isJsonObject, isList, mapValues, readIndex, readProperty, toText, type Value } from "./java.ts";
import { callMethod } from "./java-methods.ts";
import type { Expression, Foreach, Reference, TemplateNode } from "./syntax.ts";

/** What a template wrote to `$context.responseOverride`. */
export interface Overrides {
  status?: number;
  readonly headers: Map<string, string>;
}

type Flow = "on" | "break" | "stop";

/**
 * Renders a parsed template by the rules of Velocity 1.7: null is no value and prints its own source unless quiet, `#set` with
 * null changes nothing, a condition is false for null and `false` only.
 *
 * @param name how errors name the template
 * @throws TemplateError TEMPLATE_FAILED, naming template, line and construct, where a method is unknown or fails
 */
export function renderTemplate(
  name: string,
  nodes: readonly TemplateNode[],
  variables: ReadonlyMap<string, Value>,
): { readonly text: string; readonly overrides: Overrides } {
  const overrides: Overrides = { headers: new Map() };
  const rendering = new Rendering(name, new Map(variables), overrides);
  rendering.run(nodes);
  return { text: rendering.output.join(""), overrides };
}

class Rendering {
  output: string[] = [];
  readonly #name: string;
  readonly #variables: Map<string, Value>;
  readonly #overrides: Overrides;

  constructor(name: string, variables: Map<string, Value>, overrides: Overrides) {
    this.#name = name;
    this.#variables = variables;
    this.#overrides = overrides;
  }

  run(nodes: readonly TemplateNode[]): Flow {
    for (const node of nodes) {
      const flow = this.#node(node);
      if (flow !== "on") return flow;
    }
    return "on";
  }

  #node(node: TemplateNode): Flow {
    switch (node.kind) {
      case "text":
        this.output.push(node.text);
        return "on";
      case "reference":
        this.output.push(this.#print(node));
        return "on";
      case "set": {
        const value = this.#value(node.value);
        if (value !== null) this.#set(node.target, value);
        return "on";
      }
      case "if": {
        const branch = node.branches.find(({ condition }) => this.#holds(condition));
        return this.run(branch?.body ?? node.otherwise);
      }
      case "foreach":
        return this.#foreach(node);
      default:
        return node.kind;
    }
  }

  #foreach(node: Foreach): Flow {
    const collection = this.#value(node.items);
    const items = isList(collection)
      ? collection
      : collection instanceof Map || isJsonObject(collection)
        ? mapValues(collection)
        : [];
    const outer = [node.variable, "foreach"].map((name) => [name, this.#variables.get(name)] as const);
    let flow: Flow = "on";
    for (const [index, item] of items.entries()) {
      const position = { index, count: index + 1, hasNext: index + 1 < items.length, first: index === 0 };
      this.#variables.set("foreach", { ...position, last: !position.hasNext });
      this.#variables.set(node.variable, item);
      flow = this.run(node.body);
      if (flow !== "on") break;
    }
    for (const [name, value] of outer) {
      if (value === undefined) this.#variables.delete(name);
      else this.#variables.set(name, value);
    }
    return flow === "stop" ? "stop" : "on";
  }

  #set(target: Reference, value: Value): void {
    const [, field, header] = target.steps.map((step) => (step.kind === "property" ? step.name : ""));
    if (target.name !== "context") {
      this.#variables.set(target.name, value);
    } else if (field === "status") {
      if (typeof value !== "number") return this.#fail(target, "the status must be a number");
      if (this.#overrides.status !== undefined) this.#fail(target, "an override may be applied only once");
      this.#overrides.status = value;
    } else if (header !== undefined) {
      if (this.#overrides.headers.has(header)) this.#fail(target, "an override may be applied only once");
      this.#overrides.headers.set(header, toText(value) ?? "");
    }
  }

  #print(reference: Reference): string {
    const value = this.#reference(reference);
    if (value === null) return reference.quiet ? "" : reference.source;
    return this.#attempt(reference, () => toText(value)) ?? "";
  }

  #reference(reference: Reference): Value {
    return reference.steps.reduce<Value>((value, step) => {
      if (step.kind === "property") return readProperty(value, step.name);
      if (step.kind === "index") return readIndex(value, this.#value(step.index));
      const args = step.args.map((arg) => this.#value(arg));
      return this.#attempt(reference, () => callMethod(value, step.name, args));
    }, this.#variables.get(reference.name) ?? null);
  }

  #value(expression: Expression): Value {
    switch (expression.kind) {
      case "reference":
        return this.#reference(expression);
      case "literal":
        return expression.value;
      case "interpolation":
        return this.#interpolate(expression.parts);
      case "list":
        return expression.items.map((item) => this.#value(item));
      case "map":
        return new Map(expression.entries.map(([key, value]) => [toText(this.#value(key)) ?? "", this.#value(value)]));
      case "range":
        return range(this.#value(expression.from), this.#value(expression.to));
      case "not":
        return !this.#holds(expression.operand);
      case "binary":
        return this.#binary(expression);
    }
  }

  #interpolate(parts: readonly TemplateNode[]): string {
    const outer = this.output;
    this.output = [];
    this.run(parts);
    const text = this.output.join("");
    this.output = outer;
    return text;
  }

  #holds(condition: Expression): boolean {
    const value = this.#value(condition);
    return value !== null && value !== false;
  }

  #binary(expression: Extract<Expression, { kind: "binary" }>): Value {
    const { operator } = expression;
    if (operator === "&&") return this.#holds(expression.left) && this.#holds(expression.right);
    if (operator === "||") return this.#holds(expression.left) || this.#holds(expression.right);
    const left = this.#value(expression.left);
    const right = this.#value(expression.right);
    if (operator === "==") return equal(left, right);
    if (operator === "!=") return !equal(left, right);
    if (
      operator === "+" &&
      (typeof left === "string" || typeof right === "string") &&
      left !== null &&
      right !== null
    ) {
      return `${toText(left)}${toText(right)}`;
    }
    if (typeof left !== "number" || typeof right !== "number") {
      throw new TemplateError(
        "TEMPLATE_FAILED",
        `${this.#name}, line ${expression.line}: ${operator} of something that is no number`,
      );
    }
    return calculate(operator, left, right);
  }

  #attempt<T>(reference: Reference, action: () => T): T {
    try {
      return action();
    } catch (error) {
      return this.#fail(reference, error instanceof Error ? error.message : String(error));
    }
  }

  #fail(reference: Reference, why: string): never {
    throw new TemplateError("TEMPLATE_FAILED", `${this.#name}, line ${reference.line}: ${reference.source}: ${why}`);
  }
}

/** Velocity compares numbers as numbers, equal types by equals, and what is left as text. */
function equal(left: Value, right: Value): boolean {
  if (left === null || right === null || typeof left === typeof right) return left === right;
  return toText(left) === toText(right);
}

function calculate(operator: string, left: number, right: number): Value {
  switch (operator) {
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return right === 0 ? null : Math.trunc(left / right);
    default:
      return right === 0 ? null : left % right;
  }
}

function range(from: Value, to: Value): readonly Value[] {
  if (typeof from !== "number" || typeof to !== "number") return [];
  const step = from <= to ? 1 : -1;
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, index) => from + index * step);
}
