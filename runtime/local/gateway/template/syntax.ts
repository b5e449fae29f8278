/** The tree of a parsed template: the part of Velocity 1.7 that API Gateway documents. */

export type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | Reference
  | { readonly kind: "set"; readonly target: Reference; readonly value: Expression; readonly line: number }
  | { readonly kind: "if"; readonly branches: readonly Branch[]; readonly otherwise: readonly TemplateNode[] }
  | Foreach
  | { readonly kind: "break"; readonly line: number }
  | { readonly kind: "stop"; readonly line: number };

export interface Branch {
  readonly condition: Expression;
  readonly body: readonly TemplateNode[];
}

export interface Foreach {
  readonly kind: "foreach";
  readonly variable: string;
  readonly items: Expression;
  readonly body: readonly TemplateNode[];
  readonly line: number;
}

/** `$name.property.method(...)`: `source` is what Velocity prints where it is null and not quiet. */
export interface Reference {
  readonly kind: "reference";
  readonly source: string;
  readonly quiet: boolean;
  readonly name: string;
  readonly steps: readonly Step[];
  readonly line: number;
}

export type Step =
  | { readonly kind: "property"; readonly name: string }
  | { readonly kind: "method"; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: "index"; readonly index: Expression };

export type Operator = "||" | "&&" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "+" | "-" | "*" | "/" | "%";

export type Expression =
  | Reference
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "interpolation"; readonly parts: readonly TemplateNode[] }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "range"; readonly from: Expression; readonly to: Expression }
  | { readonly kind: "map"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "not"; readonly operand: Expression }
  | {
      readonly kind: "binary";
      readonly operator: Operator;
      readonly left: Expression;
      readonly right: Expression;
      readonly line: number;
    };
