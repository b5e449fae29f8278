import { TemplateError } from "./error.ts";
import type { Branch, Expression, Operator, Reference, Step, TemplateNode } from "./syntax.ts";

/** Weakest first: each row binds less tightly than the next. */
const PRECEDENCE: readonly (readonly Operator[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  ["<=", ">=", "<", ">"],
  ["+", "-"],
  ["*", "/", "%"],
];

const IDENTIFIER = /[A-Za-z][A-Za-z0-9_]*/y;
/** Where a header is named, Velocity's hyphen within a name is just what is meant. */
const HEADER_NAME = /[A-Za-z][\w-]*/y;
const DIRECTIVE = /#(?:\{([a-z]+)\}|([A-Za-z][A-Za-z0-9_]*))/y;
/** Velocity takes the blanks and the line end behind `)`, `#else` and `#end` of a directive with it. */
const REST_OF_LINE = /[ \t]*(?:\r\n|\n|\r)/y;

/**
 * Reads a mapping template.
 *
 * It takes less than Velocity does: what Velocity reads in a way that surprises (`$a-$b`, a blank before `#set`, a literal
 * as a condition) and what API Gateway does not document (`#macro`, `#parse`) is an error.
 *
 * @param name how errors name the template
 * @throws TemplateError TEMPLATE_INVALID, naming template, line and construct
 * @example parseTemplate("answer", '#if($context.stage == "x")y#end')
 */
export function parseTemplate(name: string, source: string): readonly TemplateNode[] {
  return new Parser(name, source, 1).whole();
}

class Parser {
  readonly #name: string;
  readonly #source: string;
  readonly #firstLine: number;
  #at = 0;

  constructor(name: string, source: string, firstLine: number) {
    this.#name = name;
    this.#source = source;
    this.#firstLine = firstLine;
  }

  whole(): readonly TemplateNode[] {
    const nodes = this.#block();
    const stray = this.#peekDirective();
    if (stray !== undefined) this.#fail(`#${stray} without its #if or #foreach`);
    return nodes;
  }

  /** Everything up to the end of the text or an `#else`, `#elseif` or `#end`, which stays unread. */
  #block(): TemplateNode[] {
    const nodes: TemplateNode[] = [];
    let text = "";
    const flush = () => {
      if (text !== "") nodes.push({ kind: "text", text });
      text = "";
    };
    while (this.#at < this.#source.length) {
      const character = this.#source.charAt(this.#at);
      if (character === "\\" && /^\\+[$#]/.test(this.#source.slice(this.#at, this.#at + 64))) {
        this.#fail("a backslash before $ or #: set a variable to the character instead");
      }
      if (character === "#") {
        if (this.#skipComment()) continue;
        if (this.#source.startsWith("#[[", this.#at)) this.#fail("#[[: API Gateway does not document unparsed blocks");
        const directive = this.#peekDirective();
        if (directive === "else" || directive === "elseif" || directive === "end") break;
        if (directive !== undefined) {
          if (directive === "set" && /[ \t]/.test(this.#source.charAt(this.#at - 1))) {
            this.#fail("a blank before #set: Velocity keeps it behind text and drops it behind a reference");
          }
          flush();
          nodes.push(this.#directive(directive));
          continue;
        }
        if (this.#at === this.#source.length - 1)
          this.#fail("# at the template's end, where Velocity expects a directive");
      }
      if (character === "$") {
        const reference = this.#tryReference();
        if (reference !== undefined) {
          flush();
          nodes.push(reference);
          continue;
        }
      }
      text += character;
      this.#at += 1;
    }
    flush();
    return nodes;
  }

  #skipComment(): boolean {
    if (this.#source.startsWith("##", this.#at)) {
      const end = /\r\n|\n|\r/g;
      end.lastIndex = this.#at;
      this.#at = end.exec(this.#source) === null ? this.#source.length : end.lastIndex;
      return true;
    }
    if (this.#source.startsWith("#*", this.#at)) {
      const end = this.#source.indexOf("*#", this.#at + 2);
      if (end === -1) this.#fail("#* without its *#");
      this.#at = end + 2;
      return true;
    }
    return false;
  }

  #peekDirective(): string | undefined {
    DIRECTIVE.lastIndex = this.#at;
    const found = DIRECTIVE.exec(this.#source);
    return found?.[1] ?? found?.[2];
  }

  #takeDirective(): void {
    DIRECTIVE.lastIndex = this.#at;
    DIRECTIVE.exec(this.#source);
    this.#at = DIRECTIVE.lastIndex;
  }

  #directive(name: string): TemplateNode {
    const line = this.#line();
    const start = this.#at;
    this.#takeDirective();
    switch (name) {
      case "set":
        return this.#set(line);
      case "if":
        return this.#conditional(line);
      case "foreach":
        return this.#foreach(line);
      case "break":
      case "stop":
        return { kind: name, line };
      default:
        this.#at = start;
        return this.#fail(
          `#${name}: API Gateway's templates have #set, #if, #elseif, #else, #end, #foreach, #break, #stop`,
        );
    }
  }

  #set(line: number): TemplateNode {
    this.#open("#set");
    const target = this.#reference();
    if (target.quiet || target.steps.some((step) => step.kind !== "property")) {
      this.#fail(`#set(${target.source}: only $name and $name.property can be set`);
    }
    this.#blanks();
    if (!this.#take("=")) this.#fail("#set without =");
    const value = this.#expression(0);
    this.#close("#set");
    return { kind: "set", target, value, line };
  }

  #conditional(line: number): TemplateNode {
    const branches: Branch[] = [this.#branch("#if")];
    for (;;) {
      const next = this.#peekDirective();
      if (next === "elseif") {
        this.#takeDirective();
        branches.push(this.#branch("#elseif"));
      } else if (next === "else") {
        this.#takeDirective();
        this.#restOfLine();
        const otherwise = this.#block();
        this.#end("#if", line);
        return { kind: "if", branches, otherwise };
      } else {
        this.#end("#if", line);
        return { kind: "if", branches, otherwise: [] };
      }
    }
  }

  #branch(directive: string): Branch {
    this.#open(directive);
    const condition = this.#condition(this.#expression(0));
    this.#close(directive);
    return { condition, body: this.#block() };
  }

  #foreach(line: number): TemplateNode {
    this.#open("#foreach");
    const variable = this.#reference();
    if (variable.steps.length > 0 || variable.quiet) this.#fail(`#foreach(${variable.source}: expected a plain $name`);
    this.#blanks();
    if (!this.#take("in")) this.#fail("#foreach without in");
    this.#blanks();
    const items = this.#operand();
    this.#close("#foreach");
    const body = this.#block();
    this.#end("#foreach", line);
    return { kind: "foreach", variable: variable.name, items, body, line };
  }

  #open(directive: string): void {
    this.#blanks();
    if (!this.#take("(")) this.#fail(`${directive} without (`);
    this.#blanks();
  }

  #close(directive: string): void {
    this.#blanks();
    if (!this.#take(")")) this.#fail(`${directive}(...: expected ) here`);
    this.#restOfLine();
  }

  #end(directive: string, line: number): void {
    if (this.#peekDirective() !== "end") this.#failAt(line, `${directive} without its #end`);
    this.#takeDirective();
    this.#restOfLine();
  }

  #restOfLine(): void {
    REST_OF_LINE.lastIndex = this.#at;
    if (REST_OF_LINE.test(this.#source)) this.#at = REST_OF_LINE.lastIndex;
  }

  #tryReference(): Reference | undefined {
    return /^\$!?\{?[A-Za-z]/.test(this.#source.slice(this.#at, this.#at + 4)) ? this.#reference() : undefined;
  }

  #reference(): Reference {
    const line = this.#line();
    const start = this.#at;
    if (!this.#take("$")) this.#fail("expected a $reference here");
    const quiet = this.#take("!");
    const braced = this.#take("{");
    const name = this.#identifier();
    const steps: Step[] = [];
    for (;;) {
      if (this.#source.charAt(this.#at) === "-" && !braced) {
        this.#fail(
          `${this.#source.slice(start, this.#at)}-: Velocity reads the hyphen as part of the name, write \${${name}}-`,
        );
      }
      if (/^\.[A-Za-z]/.test(this.#source.slice(this.#at, this.#at + 2))) {
        this.#at += 1;
        const step = namesHeader(name, steps) ? this.#identifier(HEADER_NAME) : this.#identifier();
        steps.push(
          this.#take("(") ? { kind: "method", name: step, args: this.#args() } : { kind: "property", name: step },
        );
      } else if (/^\[[$0-9]/.test(this.#source.slice(this.#at, this.#at + 2))) {
        this.#at += 1;
        const index = this.#operand();
        this.#blanks();
        if (!this.#take("]")) this.#fail("[ without its ]");
        steps.push({ kind: "index", index });
      } else break;
    }
    if (braced && !this.#take("}")) this.#fail(`${this.#source.slice(start, this.#at)}: expected } here`);
    return { kind: "reference", source: this.#source.slice(start, this.#at), quiet, name, steps, line };
  }

  #identifier(pattern = IDENTIFIER): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found === null) return this.#fail("expected a name here");
    this.#at = pattern.lastIndex;
    return found[0];
  }

  #args(): readonly Expression[] {
    const args: Expression[] = [];
    this.#blanks();
    if (this.#take(")")) return args;
    for (;;) {
      this.#blanks();
      args.push(this.#operand());
      this.#blanks();
      if (this.#take(")")) return args;
      if (!this.#take(",")) this.#fail("expected , or ) between a method's arguments, which are no calculations");
    }
  }

  #expression(level: number): Expression {
    const operators = PRECEDENCE[level];
    if (operators === undefined) return this.#unary();
    let left = this.#expression(level + 1);
    for (;;) {
      this.#blanks();
      const line = this.#line();
      const operator = operators.find((candidate) => this.#take(candidate));
      if (operator === undefined) return left;
      let right = this.#expression(level + 1);
      if (operator === "&&" || operator === "||") {
        left = this.#condition(left);
        right = this.#condition(right);
      }
      left = { kind: "binary", operator, left, right, line };
    }
  }

  /** Velocity takes every literal but `true` for false, and API Gateway's version may not. */
  #condition(expression: Expression): Expression {
    const sound =
      expression.kind === "reference" ||
      expression.kind === "not" ||
      (expression.kind === "literal" && typeof expression.value === "boolean") ||
      (expression.kind === "binary" && !["+", "-", "*", "/", "%"].includes(expression.operator));
    return sound ? expression : this.#fail("a literal or a calculation as a condition");
  }

  #unary(): Expression {
    this.#blanks();
    if (this.#source.charAt(this.#at) === "!" && this.#source.charAt(this.#at + 1) !== "=") {
      this.#at += 1;
      return { kind: "not", operand: this.#condition(this.#unary()) };
    }
    if (this.#take("(")) {
      const inner = this.#expression(0);
      this.#blanks();
      if (!this.#take(")")) this.#fail("( without its )");
      return inner;
    }
    return this.#operand();
  }

  /** What may stand alone, as a method's argument or in a list. */
  #operand(): Expression {
    this.#blanks();
    const character = this.#source.charAt(this.#at);
    if (character === "$") return this.#reference();
    if (character === '"' || character === "'") return this.#string(character);
    if (character === "[") return this.#list();
    if (character === "{") return this.#map();
    const number = /^-?[0-9]+(\.[0-9])?/.exec(this.#source.slice(this.#at, this.#at + 24));
    if (number !== null) {
      if (number[1] !== undefined) this.#fail(`${number[0]}: decimal numbers print differently in Java and here`);
      this.#at += number[0].length;
      return { kind: "literal", value: Number(number[0]) };
    }
    for (const word of ["true", "false"] as const) {
      if (this.#take(word)) return { kind: "literal", value: word === "true" };
    }
    const word = /^[A-Za-z]+/.exec(this.#source.slice(this.#at, this.#at + 24));
    return this.#fail(`${word?.[0] ?? (character || "the template's end")}: expected a value here`);
  }

  #string(quote: string): Expression {
    const line = this.#line();
    const end = this.#source.indexOf(quote, this.#at + 1);
    if (end === -1) return this.#fail(`a string without its closing ${quote}`);
    const text = this.#source.slice(this.#at + 1, end);
    if (this.#source.charAt(end + 1) === quote)
      this.#fail(`${quote}${quote} in a string: a string cannot hold its own quote`);
    this.#at = end + 1;
    if (quote === "'" || !/[$#]/.test(text)) return { kind: "literal", value: text };
    return { kind: "interpolation", parts: new Parser(this.#name, text, line).whole() };
  }

  #list(): Expression {
    this.#at += 1;
    this.#blanks();
    if (this.#take("]")) return { kind: "list", items: [] };
    const items = [this.#operand()];
    this.#blanks();
    if (this.#take("..")) {
      const to = this.#operand();
      this.#blanks();
      if (!this.#take("]")) this.#fail("[ without its ]");
      return { kind: "range", from: items[0] ?? to, to };
    }
    while (this.#take(",")) {
      items.push(this.#operand());
      this.#blanks();
    }
    if (!this.#take("]")) this.#fail("[ without its ]");
    return { kind: "list", items };
  }

  #map(): Expression {
    this.#at += 1;
    this.#blanks();
    const entries: [Expression, Expression][] = [];
    if (this.#take("}")) return { kind: "map", entries };
    do {
      const key = this.#operand();
      this.#blanks();
      if (!this.#take(":")) this.#fail("a map's key without :");
      entries.push([key, this.#operand()]);
      this.#blanks();
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail("{ without its }");
    return { kind: "map", entries };
  }

  #blanks(): void {
    while (/[ \t\r\n]/.test(this.#source.charAt(this.#at))) this.#at += 1;
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #line(): number {
    return this.#firstLine + (this.#source.slice(0, this.#at).match(/\r\n|\n|\r/g)?.length ?? 0);
  }

  #fail(what: string): never {
    return this.#failAt(this.#line(), what);
  }

  #failAt(line: number, what: string): never {
    throw new TemplateError("TEMPLATE_INVALID", `${this.#name}, line ${line}: ${what}`);
  }
}

/** Whether what follows these steps is a header's name: `$context.responseOverride.header.<name>`. */
function namesHeader(name: string, steps: readonly Step[]): boolean {
  const path = steps.map((step) => (step.kind === "property" ? step.name : "?")).join(".");
  return name === "context" && path === "responseOverride.header";
}
