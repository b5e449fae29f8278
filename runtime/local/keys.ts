import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";

const keysSchema = z.record(z.string(), z.string().min(20));

/**
 * Values of API keys by name: made at random once, then the same over restarts.
 *
 * @param file where they are kept, readable by its owner only
 * @returns the value of a key's name
 * @example const value = openKeys(".local/keys.json")("dev-kimalarm-a");
 */
export function openKeys(file: string): (name: string) => string {
  const keys = new Map(Object.entries(readKeys(file)));
  return (name) => {
    const known = keys.get(name);
    if (known !== undefined) return known;
    // 40 characters, as API Gateway's own.
    const made = randomBytes(30).toString("base64url");
    keys.set(name, made);
    writeFileSync(file, `${JSON.stringify(Object.fromEntries(keys), undefined, 2)}\n`, { mode: 0o600 });
    return made;
  };
}

function readKeys(file: string): Readonly<Record<string, string>> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return {};
  }
  try {
    return keysSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} does not hold keys by name: delete it, and new ones are made`, { cause });
  }
}
