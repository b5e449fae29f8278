import { randomBytes } from "node:crypto";
import { z } from "zod";
import { readKept, writeKept } from "./kept-file.ts";

const keysSchema = z.record(z.string(), z.string().min(20));

/**
 * Values of API keys by name: made at random once, then the same over restarts.
 *
 * @param file where they are kept, readable by its owner only
 * @returns the value of a key's name
 * @throws Error that names the file when it holds something else; the file system's errors
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
    writeKept(file, `${JSON.stringify(Object.fromEntries(keys), undefined, 2)}\n`, 0o600);
    return made;
  };
}

function readKeys(file: string): Readonly<Record<string, string>> {
  const text = readKept(file);
  if (text === undefined) return {};
  try {
    return keysSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} does not hold keys by name: delete it, and new ones are made`, { cause });
  }
}
