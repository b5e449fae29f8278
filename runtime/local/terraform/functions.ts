import { createHash } from "node:crypto";
import { TerraformError } from "./error.ts";
import { asText } from "./text.ts";

/**
 * The Terraform functions that local mode knows: those that the stacks emit (`tolist`, around a set of which cdktf takes one
 * element), and those that a change to a stack reaches for first. Another one is an error that names it, not a guess: add it
 * here, as its page in Terraform's language reference says. A set is a list here, in the order in which it was made.
 */
export const FUNCTIONS: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> = {
  jsonencode: (value) => jsonencode(value),
  sha1: (value) => createHash("sha1").update(asText(value)).digest("hex"),
  sha256: (value) => createHash("sha256").update(asText(value)).digest("hex"),
  base64sha256: (value) => createHash("sha256").update(asText(value)).digest("base64"),
  md5: (value) => createHash("md5").update(asText(value)).digest("hex"),
  element: (list, index) => element(asList(list), index),
  length: (value) => length(value),
  one: (list) => one(asList(list)),
  tolist: (value) => asList(value),
  trimsuffix: (text, suffix) => trimsuffix(asText(text), asText(suffix)),
  join: (separator, list) => asList(list).map(asText).join(asText(separator)),
  tostring: (value) => (value === null ? null : asText(value)),
};

/** Go's encoder, which Terraform uses: keys in order, and `<`, `>`, `&`, U+2028 and U+2029 escaped. */
function jsonencode(value: unknown): string {
  return JSON.stringify(sorted(value)).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/** The index counts round and round, backwards when it is negative (Terraform language, "element Function"). */
function element(list: readonly unknown[], index: unknown): unknown {
  const number = Number(index);
  if (list.length === 0) throw new TerraformError("invalid-expression", "element() of an empty list");
  if (!Number.isInteger(number)) throw new TerraformError("invalid-expression", "element() needs a whole number");
  return list.at(number % list.length);
}

function length(value: unknown): number {
  if (typeof value === "string") return [...new Intl.Segmenter().segment(value)].length;
  if (Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  throw new TerraformError("invalid-expression", `length() needs a list, an object or a string, not ${typeof value}`);
}

/** Nothing of an empty list; of two elements, an error (Terraform language, "one Function"). */
function one(list: readonly unknown[]): unknown {
  if (list.length > 1) throw new TerraformError("invalid-expression", `one() of a list of ${list.length}`);
  return list[0] ?? null;
}

function trimsuffix(text: string, suffix: string): string {
  return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}

function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TerraformError("invalid-expression", `a list is needed, not ${typeof value}`);
}
