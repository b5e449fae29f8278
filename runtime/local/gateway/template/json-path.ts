import { readIndex, readProperty, type Value } from "./java.ts";

const STEP = /\.([A-Za-z_][A-Za-z0-9_]*)|\['([^'\]]+)'\]|\[(\d+)\]/y;
const parsed = new Map<string, readonly (string | number)[]>();

/** Whether {@link readPath} knows every step of the path. */
export function isKnownPath(path: string): boolean {
  return parsePath(path) !== undefined;
}

/**
 * What stands at a JSON path, null where nothing does. Only definite paths: `$`, `.name`, `['name']`, `[0]`.
 *
 * @throws Error naming a path that is none of these
 */
export function readPath(document: Value, path: string): Value {
  const steps = parsePath(path);
  if (steps === undefined) throw new Error(`${path}: known JSON paths are made of $, .name, ['name'] and [0]`);
  return steps.reduce<Value>((value, step) => {
    if (typeof step === "number") return readIndex(value, step);
    return typeof value === "string" || Array.isArray(value) ? null : readProperty(value, step);
  }, document);
}

function parsePath(path: string): readonly (string | number)[] | undefined {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  if (!path.startsWith("$")) return undefined;
  const steps: (string | number)[] = [];
  STEP.lastIndex = 1;
  for (let at = 1; at < path.length; at = STEP.lastIndex) {
    STEP.lastIndex = at;
    const found = STEP.exec(path);
    if (found === null) return undefined;
    steps.push(found[3] === undefined ? (found[1] ?? found[2] ?? "") : Number(found[3]));
  }
  parsed.set(path, steps);
  return steps;
}
