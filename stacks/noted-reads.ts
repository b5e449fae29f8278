/**
 * The same value, which tells what is read of it.
 *
 * @param path where it stands, e.g. `queues.0`; empty for the whole
 * @param read gets the path of every field that is read, e.g. `queues.0.name`
 */
export function notedReads<T extends object>(value: T, path: string, read: (path: string) => void): T {
  return new Proxy(value, {
    get(target, key) {
      const item: unknown = Reflect.get(target, key);
      if (typeof key === "symbol") return item;
      const at = path === "" ? key : `${path}.${key}`;
      read(at);
      return typeof item === "object" && item !== null ? notedReads(item, at, read) : item;
    },
  });
}
