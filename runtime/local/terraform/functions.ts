import { createHash } from "node:crypto";
import { TerraformError } from "./error.ts";
import { asText } from "./text.ts";

/**
 * The Terraform functions that local mode knows. The stacks emit none of them today: these are the ones that a change to a
 * stack reaches for first. Another one is an error that names it, not a guess: add it here, as its page in Terraform's language
 * reference says.
 */
export const FUNCTIONS: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> = {
  jsonencode: (value) => jsonencode(value),
  sha1: (value) => createHash("sha1").update(asText(value)).digest("hex"),
  sha256: (value) => createHash("sha256").update(asText(value)).digest("hex"),
  base64sha256: (value) => createHash("sha256").update(asText(value)).digest("base64"),
  md5: (value) => createHash("md5").update(asText(value)).digest("hex"),
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

function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TerraformError("invalid-expression", `a list is needed, not ${typeof value}`);
}
