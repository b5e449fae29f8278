import { TerraformError } from "./error.ts";

/** A step from a value to something inside it. */
export type Step =
  | { readonly kind: "attribute"; readonly name: string }
  | { readonly kind: "index"; readonly key: Expression };

/** An expression of Terraform's language, as far as `cdktf` emits it. */
export type Expression =
  | { readonly kind: "literal"; readonly value: unknown }
  | { readonly kind: "template"; readonly parts: readonly Expression[] }
  | { readonly kind: "reference"; readonly root: string; readonly steps: readonly Step[] }
  | { readonly kind: "access"; readonly of: Expression; readonly steps: readonly Step[] }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "unary"; readonly operator: "!" | "-"; readonly operand: Expression }
  | { readonly kind: "binary"; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: "condition";
      readonly when: Expression;
      readonly yes: Expression;
      readonly no: Expression;
    };

const IDENTIFIER = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy;
const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /(?:\s|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const UNICODE_ESCAPE = /u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y;

/** Binary operators from the weakest to the strongest, as Terraform orders them. */
const PRECEDENCE: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  ["<=", ">=", "<", ">"],
  ["+", "-"],
  ["*", "/", "%"],
];

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };

/**
 * Parses a string of Terraform JSON, which is a template: text with `${...}` in it, `$${` and `%%{` being plain text.
 *
 * @throws TerraformError `invalid-expression`, with the position, for what the grammar does not allow and for what local
 *   mode does not read: `%{...}` directives, `for` expressions, splats and heredocs.
 * @example parseTemplate("arn:${var.partition}") // { kind: "template", parts: [literal, reference] }
 */
export function parseTemplate(text: string): Expression {
  return new Parser(text).wholeTemplate();
}

class Parser {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  wholeTemplate(): Expression {
    return this.#template(() => this.#position >= this.#text.length, false);
  }

  /** Text and interpolations up to `ends`; inside quotes, backslash escapes count too. */
  #template(ends: () => boolean, quoted: boolean): Expression {
    const parts: Expression[] = [];
    let literal = "";
    const flush = () => {
      if (literal !== "") parts.push({ kind: "literal", value: literal });
      literal = "";
    };
    while (!ends()) {
      if (this.#position >= this.#text.length) this.#fail("a string that never ends");
      if (this.#take("$${")) literal += "${";
      else if (this.#take("%%{")) literal += "%{";
      else if (this.#text.startsWith("%{", this.#position)) this.#fail("a %{ } directive");
      else if (this.#take("${")) {
        flush();
        if (this.#text[this.#position] === "~") this.#fail("a ~ strip marker");
        parts.push(this.#expression());
        this.#space();
        this.#expect("}");
      } else if (quoted && this.#take("\\")) literal += this.#escape();
      else {
        literal += this.#text[this.#position];
        this.#position += 1;
      }
    }
    flush();
    const [only] = parts;
    if (only === undefined) return { kind: "literal", value: "" };
    // "${x}" alone is x itself, with x's type; with text around it, it is a string.
    return parts.length === 1 ? only : { kind: "template", parts };
  }

  #escape(): string {
    const simple = ESCAPES[this.#text[this.#position] ?? ""];
    if (simple !== undefined) {
      this.#position += 1;
      return simple;
    }
    const unicode = this.#match(UNICODE_ESCAPE);
    if (unicode === undefined) this.#fail("an unknown escape in a string");
    return String.fromCodePoint(Number.parseInt(unicode.slice(1), 16));
  }

  #expression(): Expression {
    const when = this.#binary(0);
    this.#space();
    if (!this.#take("?")) return when;
    const yes = this.#expression();
    this.#space();
    this.#expect(":");
    return { kind: "condition", when, yes, no: this.#expression() };
  }

  #binary(level: number): Expression {
    const operators = PRECEDENCE[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      this.#space();
      const operator = operators.find((candidate) => this.#take(candidate));
      if (operator === undefined) return left;
      left = { kind: "binary", operator, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): Expression {
    this.#space();
    if (this.#text[this.#position] === "!" && this.#text[this.#position + 1] !== "=" && this.#take("!")) {
      return { kind: "unary", operator: "!", operand: this.#unary() };
    }
    if (this.#take("-")) return { kind: "unary", operator: "-", operand: this.#unary() };
    const value = this.#primary();
    if (value.kind === "reference") return value;
    const steps = this.#steps();
    return steps.length === 0 ? value : { kind: "access", of: value, steps };
  }

  #primary(): Expression {
    if (this.#take('"')) {
      const string = this.#template(() => this.#text[this.#position] === '"', true);
      this.#expect('"');
      return string;
    }
    if (this.#take("(")) {
      const inner = this.#expression();
      this.#space();
      this.#expect(")");
      // Not a bare reference any more: `(a.b).c` reads the value first.
      return { kind: "access", of: inner, steps: [] };
    }
    if (this.#take("[")) {
      if (this.#word("for")) this.#fail("a for expression");
      return { kind: "list", items: this.#commaSeparated("]") };
    }
    if (this.#take("{")) return this.#object();
    if (this.#text.startsWith("<<", this.#position)) this.#fail("a heredoc");
    const number = this.#match(NUMBER);
    if (number !== undefined) return { kind: "literal", value: Number(number) };
    const name = this.#match(IDENTIFIER);
    if (name === undefined) this.#fail("no expression");
    if (name === "true" || name === "false") return { kind: "literal", value: name === "true" };
    if (name === "null") return { kind: "literal", value: null };
    if (this.#take("(")) return { kind: "call", name, args: this.#commaSeparated(")") };
    return { kind: "reference", root: name, steps: this.#steps() };
  }

  #steps(): Step[] {
    const steps: Step[] = [];
    for (;;) {
      if (this.#take("[")) {
        this.#space();
        if (this.#text[this.#position] === "*") this.#fail("a splat");
        const key = this.#expression();
        this.#space();
        this.#expect("]");
        steps.push({ kind: "index", key });
      } else if (this.#text[this.#position] === "." && this.#text[this.#position + 1] !== ".") {
        this.#position += 1;
        if (this.#text[this.#position] === "*") this.#fail("a splat");
        const index = this.#match(/\d+/y);
        if (index !== undefined) {
          steps.push({ kind: "index", key: { kind: "literal", value: Number(index) } });
          continue;
        }
        const name = this.#match(IDENTIFIER);
        if (name === undefined) this.#fail("no attribute after the dot");
        steps.push({ kind: "attribute", name });
      } else return steps;
    }
  }

  #object(): Expression {
    const entries: [Expression, Expression][] = [];
    if (this.#word("for")) this.#fail("a for expression");
    for (;;) {
      this.#space();
      if (this.#take("}")) return { kind: "object", entries };
      const key = this.#objectKey();
      this.#space();
      if (!this.#take("=")) this.#expect(":");
      entries.push([key, this.#expression()]);
      this.#space();
      this.#take(",");
    }
  }

  #objectKey(): Expression {
    const start = this.#position;
    const name = this.#match(IDENTIFIER);
    if (name !== undefined) {
      this.#space();
      const next = this.#text[this.#position];
      if (next === "=" || next === ":") return { kind: "literal", value: name };
      this.#position = start;
    }
    return this.#expression();
  }

  #commaSeparated(end: string): Expression[] {
    const items: Expression[] = [];
    for (;;) {
      this.#space();
      if (this.#take(end)) return items;
      items.push(this.#expression());
      this.#space();
      if (this.#text.startsWith("...", this.#position)) this.#fail("an expanded argument (...)");
      if (this.#take(",")) continue;
      this.#expect(end);
      return items;
    }
  }

  #word(word: string): boolean {
    this.#space();
    const start = this.#position;
    const found = this.#match(IDENTIFIER);
    this.#position = start;
    return found === word;
  }

  #space(): void {
    this.#match(SPACE);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#position += found.length;
    return found;
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#position)) return false;
    this.#position += token.length;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) this.#fail(`no ${token}`);
  }

  #fail(found: string): never {
    const around = this.#text.slice(Math.max(0, this.#position - 20), this.#position + 20);
    throw new TerraformError(
      "invalid-expression",
      `${found} at character ${this.#position + 1}, near ${JSON.stringify(around)}: local mode does not read it`,
    );
  }
}
