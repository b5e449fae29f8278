import { Host, isList, type Value } from "./java.ts";

/**
 * What a method's parameter takes. `scalar` is Object in Java; here it is a text, a number, a boolean or null, since lists and
 * maps compare by their contents in Java and not here.
 */
export type Kind = "string" | "integer" | "scalar";

/** The parameters of one overload. */
export type Signature = readonly Kind[];

/** A method of `Self`, which is called only with what one of its overloads takes. */
export interface Method<Self> {
  readonly overloads: readonly Signature[];
  readonly call: (self: Self, args: readonly Value[]) => Value;
}

/**
 * Makes sure that one of a method's overloads takes the arguments: Velocity prints a call that Java has no method for as its own
 * source, and what was ignored here would be a difference that no test shows.
 *
 * @throws Error saying what the method takes and what it was given, as kinds and never as values
 */
export function checkArguments(overloads: readonly Signature[], args: readonly Value[]): void {
  const given = args.map(kindOf);
  const taken = overloads.some(
    (kinds) => kinds.length === given.length && kinds.every((kind, at) => takes(kind, given[at])),
  );
  if (!taken) throw new Error(`takes ${overloads.map(listed).join(" or ")}, not ${listed(given)}`);
}

function takes(kind: Kind, given: string | undefined): boolean {
  if (kind === "scalar") return given !== "list" && given !== "map" && given !== "object";
  return kind === given;
}

function listed(kinds: readonly string[]): string {
  return `(${kinds.join(", ")})`;
}

function kindOf(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "number";
  if (typeof value !== "object") return typeof value;
  if (isList(value)) return "list";
  return value instanceof Host ? "object" : "map";
}
