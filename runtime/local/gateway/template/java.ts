import type { Method } from "./signature.ts";

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
  readonly methods: ReadonlyMap<string, Method<void>>;

  constructor(
    label: string,
    members: { properties?: Record<string, () => Value>; methods?: Record<string, Method<void>> },
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

/** Java's Map, whichever way it came about. */
export type MapValue = ReadonlyMap<string, Value> | JsonObject;

/** A map's keys, in order. */
export function mapKeys(map: MapValue): readonly string[] {
  return map instanceof Map ? [...map.keys()] : Object.keys(map);
}

/** A map's entry, null where there is none. */
export function mapGet(map: MapValue, key: string): Value {
  if (!isJsonObject(map)) return map.get(key) ?? null;
  return Object.hasOwn(map, key) ? (map[key] ?? null) : null;
}
