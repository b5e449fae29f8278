import { TerraformError } from "./error.ts";

/**
 * A value where Terraform needs a string: numbers and booleans convert, the rest does not.
 *
 * @throws TerraformError `invalid-expression` for null, lists and objects.
 * @example asText(3) // "3"
 */
export function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const kind = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  throw new TerraformError("invalid-expression", `a string is needed, not ${kind}`);
}
