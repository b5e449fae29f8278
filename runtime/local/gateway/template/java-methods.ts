import { Host, isJsonObject, isList, type MapValue, mapGet, mapKeys, mapValues, toText, type Value } from "./java.ts";
import { toJavaRegex, toJavaReplacement } from "./java-regex.ts";
import { checkArguments, type Method } from "./signature.ts";

/**
 * Calls a method of Java's String, List, Map, Number or Boolean, or of one of API Gateway's objects.
 *
 * @throws Error naming class and method when Java has no such method for these arguments, or when this gateway does not know it
 */
export function callMethod(value: Value, name: string, args: readonly Value[]): Value {
  if (value === null) return null;
  const [type, method] = methodOf(value, name);
  if (method === undefined) throw new Error(`${type}.${name}: no such method`);
  try {
    return method(args);
  } catch (error) {
    throw new Error(`${type}.${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

type Methods<Self> = { readonly [name: string]: Method<Self> };

type Bound = ((args: readonly Value[]) => Value) | undefined;

function methodOf(value: Exclude<Value, null>, name: string): readonly [type: string, method: Bound] {
  if (value instanceof Host) return [value.label, bind(value.methods.get(name), undefined)];
  if (typeof value === "string") return ["String", bind(own(STRING_METHODS, name), value)];
  if (isList(value)) return ["List", bind(own(LIST_METHODS, name), value)];
  if (value instanceof Map || isJsonObject(value)) return ["Map", bind(own(MAP_METHODS, name), value)];
  return [typeof value === "number" ? "Number" : "Boolean", bind(own(SCALAR_METHODS, name), value)];
}

function own<Self>(methods: Methods<Self>, name: string): Method<Self> | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

function bind<Self>(method: Method<Self> | undefined, self: Self): Bound {
  if (method === undefined) return undefined;
  return (args) => {
    checkArguments(method.overloads, args);
    return method.call(self, args);
  };
}

const SCALAR_METHODS: Methods<Value> = {
  toString: { overloads: [[]], call: (self: Value) => toText(self) },
  equals: { overloads: [["scalar"]], call: (self, [other = null]) => self === other },
};

/** Each method with the overloads of Java's that run here; any other one is refused. */
const STRING_METHODS: Methods<string> = {
  toString: { overloads: [[]], call: (text: string) => text },
  length: { overloads: [[]], call: (text) => text.length },
  isEmpty: { overloads: [[]], call: (text) => text.length === 0 },
  trim: { overloads: [[]], call: (text) => text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "") },
  toLowerCase: { overloads: [[]], call: (text) => text.toLowerCase() },
  toUpperCase: { overloads: [[]], call: (text) => text.toUpperCase() },
  equals: { overloads: [["scalar"]], call: (text, [other = null]) => text === other },
  equalsIgnoreCase: {
    overloads: [["string"]],
    call: (text, args) => text.toLowerCase() === stringArg(args, 0).toLowerCase(),
  },
  contains: { overloads: [["string"]], call: (text, args) => text.includes(stringArg(args, 0)) },
  startsWith: { overloads: [["string"], ["string", "integer"]], call: startsWith },
  endsWith: { overloads: [["string"]], call: (text, args) => text.endsWith(stringArg(args, 0)) },
  indexOf: {
    overloads: [["string"], ["string", "integer"]],
    call: (text, args) => text.indexOf(stringArg(args, 0), integerArg(args, 1, 0)),
  },
  lastIndexOf: { overloads: [["string"], ["string", "integer"]], call: lastIndexOf },
  concat: { overloads: [["string"]], call: (text, args) => text + stringArg(args, 0) },
  substring: { overloads: [["integer"], ["integer", "integer"]], call: substring },
  replace: {
    overloads: [["string", "string"]],
    call: (text, args) => text.replaceAll(stringArg(args, 0), () => stringArg(args, 1)),
  },
  matches: { overloads: [["string"]], call: (text, args) => toJavaRegex(stringArg(args, 0), "whole").test(text) },
  replaceAll: { overloads: [["string", "string"]], call: (text, args) => replace(text, args, "all") },
  replaceFirst: { overloads: [["string", "string"]], call: (text, args) => replace(text, args, "first") },
  split: { overloads: [["string"], ["string", "integer"]], call: split },
};

/** Outside the text nothing starts, not even the empty text. */
function startsWith(text: string, args: readonly Value[]): boolean {
  const at = integerArg(args, 1, 0);
  return at >= 0 && at <= text.length && text.startsWith(stringArg(args, 0), at);
}

/** Before the text nothing is found; JavaScript would take a negative position for 0. */
function lastIndexOf(text: string, args: readonly Value[]): number {
  const from = integerArg(args, 1, text.length);
  return from < 0 ? -1 : text.lastIndexOf(stringArg(args, 0), from);
}

function substring(text: string, args: readonly Value[]): string {
  const from = integerArg(args, 0);
  const to = integerArg(args, 1, text.length);
  if (from < 0 || to > text.length || from > to) throw new Error("index out of range");
  return text.substring(from, to);
}

function replace(text: string, args: readonly Value[], scope: "all" | "first"): string {
  return text.replace(toJavaRegex(stringArg(args, 0), scope), toJavaReplacement(stringArg(args, 1)));
}

/** A limit is the most parts there may be. With 0 Java drops empty parts at the end; a negative one keeps them all. */
function split(text: string, args: readonly Value[]): readonly string[] {
  const pattern = stringArg(args, 0);
  const limit = integerArg(args, 1, 0);
  const parts: string[] = [];
  let from = 0;
  for (const match of text.matchAll(toJavaRegex(pattern, "all"))) {
    if (match[0] === "") throw new Error("a pattern that matches nothing splits differently in Java and here");
    if (limit > 0 && parts.length === limit - 1) break;
    parts.push(text.slice(from, match.index));
    from = match.index + match[0].length;
  }
  if (parts.length === 0) return [text];
  parts.push(text.slice(from));
  if (limit === 0) while (parts.at(-1) === "") parts.pop();
  return parts;
}

const LIST_METHODS: Methods<readonly Value[]> = {
  size: { overloads: [[]], call: (list) => list.length },
  isEmpty: { overloads: [[]], call: (list) => list.length === 0 },
  get: {
    overloads: [["integer"]],
    call: (list, args) => {
      const item = list[integerArg(args, 0)];
      if (item === undefined) throw new Error("index out of range");
      return item;
    },
  },
  contains: { overloads: [["scalar"]], call: (list, [item = null]) => list.includes(item) },
  indexOf: { overloads: [["scalar"]], call: (list, [item = null]) => list.indexOf(item) },
};

const MAP_METHODS: Methods<MapValue> = {
  size: { overloads: [[]], call: (map) => mapKeys(map).length },
  isEmpty: { overloads: [[]], call: (map) => mapKeys(map).length === 0 },
  get: { overloads: [["string"]], call: (map, args) => mapGet(map, stringArg(args, 0)) },
  containsKey: { overloads: [["string"]], call: (map, args) => mapKeys(map).includes(stringArg(args, 0)) },
  keySet: { overloads: [[]], call: (map) => mapKeys(map) },
  values: { overloads: [[]], call: (map) => mapValues(map) },
  entrySet: { overloads: [[]], call: (map) => mapKeys(map).map((key) => entry(key, mapGet(map, key))) },
};

function entry(key: string, value: Value): Host {
  return new Host("Map.Entry", {
    properties: { key: () => key, value: () => value },
    methods: { getKey: { overloads: [[]], call: () => key }, getValue: { overloads: [[]], call: () => value } },
  });
}

/** An argument that an overload declares as a string. */
export function stringArg(args: readonly Value[], at: number): string {
  const value = args[at];
  if (typeof value !== "string") throw new Error(`argument ${at + 1} must be a string`);
  return value;
}

/** An argument that an overload declares as an integer; without a default it is in all of them. */
function integerArg(args: readonly Value[], at: number, without?: number): number {
  const value = args[at] ?? without;
  if (typeof value !== "number") throw new Error(`argument ${at + 1} must be an integer`);
  return value;
}
