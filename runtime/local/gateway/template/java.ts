import { toJavaRegex, toJavaReplacement } from "./java-regex.ts";

/** What a template can hold. Plain objects are parsed JSON; they and `Map` are Java's Map, arrays its List. */
export type Value =
  | string
  | number
  | boolean
  | null
  | readonly Value[]
  | ReadonlyMap<string, Value>
  | JsonObject
  | Host;

export interface JsonObject {
  readonly [key: string]: Value;
}

/** `$input`, `$util` and the like: an object whose members the gateway itself provides. */
export class Host {
  readonly label: string;
  readonly properties: ReadonlyMap<string, () => Value>;
  readonly methods: ReadonlyMap<string, (args: readonly Value[]) => Value>;

  constructor(
    label: string,
    members: { properties?: Record<string, () => Value>; methods?: Record<string, (args: readonly Value[]) => Value> },
  ) {
    this.label = label;
    this.properties = new Map(Object.entries(members.properties ?? {}));
    this.methods = new Map(Object.entries(members.methods ?? {}));
  }
}

/** Reads `value.name` as Velocity does: a map's entry, a Java getter (`isEmpty`), else null. */
export function readProperty(value: Value, name: string): Value {
  if (value === null) return null;
  if (value instanceof Host) return value.properties.get(name)?.() ?? null;
  if (value instanceof Map) return mapGet(value, name);
  if (isJsonObject(value)) return mapGet(value, name);
  if (name === "empty" && (typeof value === "string" || Array.isArray(value))) return value.length === 0;
  return null;
}

/** Reads `value[index]`: a list's item, a map's entry. */
export function readIndex(value: Value, index: Value): Value {
  if (isList(value) && typeof index === "number") return value[index] ?? null;
  if ((value instanceof Map || isJsonObject(value)) && typeof index === "string") return mapGet(value, index);
  return null;
}

/**
 * Calls a method of Java's String, List, Map, Number or Boolean.
 *
 * @throws Error naming class and method when Java has no such method, or when this gateway does not know it
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

/** How Java prints a value, or null for null. */
export function toText(value: Value): string | null {
  if (value === null) return null;
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return String(value);
    throw new Error("a number with a fraction, or beyond 2^53, prints differently in Java and here");
  }
  throw new Error("printing a list, a map or an object of API Gateway as text differs between Java and here");
}

/** Whether `value` is parsed JSON's object. */
export function isJsonObject(value: Value): value is JsonObject {
  return (
    typeof value === "object" && value !== null && !isList(value) && !(value instanceof Map) && !(value instanceof Host)
  );
}

/** Whether `value` is Java's List. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** A map's values, in order. */
export function mapValues(value: MapValue): readonly Value[] {
  return value instanceof Map ? [...value.values()] : Object.values(value);
}

type Methods<T> = ReadonlyMap<string, (self: T, args: readonly Value[]) => Value>;
type MapValue = ReadonlyMap<string, Value> | JsonObject;

type Bound = ((args: readonly Value[]) => Value) | undefined;

function methodOf(value: Exclude<Value, null>, name: string): readonly [type: string, method: Bound] {
  if (value instanceof Host) return [value.label, value.methods.get(name)];
  if (typeof value === "string") return ["String", bind(STRING_METHODS, name, value)];
  if (isList(value)) return ["List", bind(LIST_METHODS, name, value)];
  if (value instanceof Map || isJsonObject(value)) return ["Map", bind(MAP_METHODS, name, value)];
  return [typeof value === "number" ? "Number" : "Boolean", bind(SCALAR_METHODS, name, value)];
}

function bind<T>(methods: Methods<T>, name: string, self: T): Bound {
  const method = methods.get(name);
  return method === undefined ? undefined : (args) => method(self, args);
}

const SCALAR_METHODS: Methods<Value> = new Map<string, (self: Value, args: readonly Value[]) => Value>([
  ["toString", (self) => toText(self)],
  ["equals", (self, args) => self === (args[0] ?? null)],
]);

const STRING_METHODS: Methods<string> = new Map<string, (text: string, args: readonly Value[]) => Value>([
  ["toString", (text) => text],
  ["length", (text) => text.length],
  ["isEmpty", (text) => text.length === 0],
  ["trim", (text) => text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "")],
  ["toLowerCase", (text) => text.toLowerCase()],
  ["toUpperCase", (text) => text.toUpperCase()],
  ["equals", (text, args) => text === (args[0] ?? null)],
  ["equalsIgnoreCase", (text, args) => text.toLowerCase() === stringArg(args, 0).toLowerCase()],
  ["contains", (text, args) => text.includes(stringArg(args, 0))],
  ["startsWith", (text, args) => text.startsWith(stringArg(args, 0))],
  ["endsWith", (text, args) => text.endsWith(stringArg(args, 0))],
  ["indexOf", (text, args) => text.indexOf(stringArg(args, 0), args.length > 1 ? numberArg(args, 1) : 0)],
  ["lastIndexOf", (text, args) => text.lastIndexOf(stringArg(args, 0))],
  ["concat", (text, args) => text + stringArg(args, 0)],
  ["substring", substring],
  ["replace", (text, args) => text.replaceAll(stringArg(args, 0), () => stringArg(args, 1))],
  ["matches", (text, args) => toJavaRegex(stringArg(args, 0), "whole").test(text)],
  ["replaceAll", (text, args) => replace(text, args, "all")],
  ["replaceFirst", (text, args) => replace(text, args, "first")],
  ["split", split],
]);

function substring(text: string, args: readonly Value[]): string {
  const from = numberArg(args, 0);
  const to = args.length > 1 ? numberArg(args, 1) : text.length;
  if (from < 0 || to > text.length || from > to) throw new Error("index out of range");
  return text.substring(from, to);
}

function replace(text: string, args: readonly Value[], scope: "all" | "first"): string {
  return text.replace(toJavaRegex(stringArg(args, 0), scope), toJavaReplacement(stringArg(args, 1)));
}

/** Java drops empty parts at the end. */
function split(text: string, args: readonly Value[]): readonly string[] {
  const pattern = stringArg(args, 0);
  if (toJavaRegex(pattern, "whole").test("")) {
    throw new Error("a pattern that matches nothing splits differently in Java and here");
  }
  const parts = text.split(toJavaRegex(pattern, "all"));
  while (parts.length > 1 && parts.at(-1) === "") parts.pop();
  return parts;
}

const LIST_METHODS: Methods<readonly Value[]> = new Map<
  string,
  (list: readonly Value[], args: readonly Value[]) => Value
>([
  ["size", (list) => list.length],
  ["isEmpty", (list) => list.length === 0],
  [
    "get",
    (list, args) => {
      const item = list[numberArg(args, 0)];
      if (item === undefined) throw new Error("index out of range");
      return item;
    },
  ],
  ["contains", (list, args) => list.includes(args[0] ?? null)],
  ["indexOf", (list, args) => list.indexOf(args[0] ?? null)],
]);

const MAP_METHODS: Methods<MapValue> = new Map<string, (map: MapValue, args: readonly Value[]) => Value>([
  ["size", (map) => mapKeys(map).length],
  ["isEmpty", (map) => mapKeys(map).length === 0],
  ["get", (map, args) => mapGet(map, stringArg(args, 0))],
  ["containsKey", (map, args) => mapKeys(map).includes(stringArg(args, 0))],
  ["keySet", (map) => mapKeys(map)],
  ["values", (map) => mapValues(map)],
  ["entrySet", (map) => mapKeys(map).map((key) => entry(key, mapGet(map, key)))],
]);

function entry(key: string, value: Value): Host {
  return new Host("Map.Entry", {
    properties: { key: () => key, value: () => value },
    methods: { getKey: () => key, getValue: () => value },
  });
}

function mapKeys(map: MapValue): readonly string[] {
  return map instanceof Map ? [...map.keys()] : Object.keys(map);
}

function mapGet(map: MapValue, key: string): Value {
  if (map instanceof Map) return map.get(key) ?? null;
  return Object.hasOwn(map, key) ? ((map as JsonObject)[key] ?? null) : null;
}

/** A method's argument that Java declares as a String. */
export function stringArg(args: readonly Value[], at: number): string {
  const value = args[at];
  if (typeof value !== "string") throw new Error(`argument ${at + 1} must be a string`);
  return value;
}

function numberArg(args: readonly Value[], at: number): number {
  const value = args[at];
  if (typeof value !== "number") throw new Error(`argument ${at + 1} must be a number`);
  return value;
}
