import { type Change, isSame, shown, stays, was, will } from "../change.ts";
import type { Finding, NotKnown } from "../risk.ts";

/** `attribute before -> after`, where an attribute of a resource that stays is known to differ. */
export function differing(change: Change, attribute: string): string | undefined {
  if (!stays(change)) return undefined;
  const after = will(change, attribute);
  if (!after.known || isSame(was(change, attribute), after.value)) return undefined;
  const [old, next] = [shown(change, attribute, was(change, attribute)), shown(change, attribute, after.value)];
  return old === next ? `${attribute} differs (not shown)` : `${attribute} ${old} -> ${next}`;
}

/** The same of several attributes; those that do not differ are left out. */
export function differences(change: Change, attributes: readonly string[]): string[] {
  return attributes.map((attribute) => differing(change, attribute)).filter((text) => text !== undefined);
}

/**
 * What cannot be told of attributes of a resource that stays, since they are known after the apply only. One that the configuration does not
 * set is AWS's to fill in, and nothing to be told of.
 */
export function notKnown(change: Change, attributes: readonly string[], what: string): NotKnown[] {
  if (!stays(change)) return [];
  return attributes
    .filter((attribute) => !will(change, attribute).known && change.configured?.has(attribute) !== false)
    .map((attribute) => ({ unknown: attribute, what }));
}

/**
 * What there is to say where an attribute of a resource that stays becomes a value that it was not.
 *
 * @param what what cannot be told where the value is not known yet
 * @example becomes(change, "enabled", false, "whether it is switched off", () => finding)
 */
export function becomes(
  change: Change,
  attribute: string,
  value: unknown,
  what: string,
  say: () => Finding,
): (Finding | NotKnown)[] {
  // What was never said to be on is not switched off.
  if (!stays(change) || isSame(was(change, attribute), value) || (value === false && was(change, attribute) !== true))
    return [];
  const after = will(change, attribute);
  if (!after.known) return notKnown(change, [attribute], what);
  return isSame(after.value, value) ? [say()] : [];
}

type Say = (before: number, after: number) => Finding;

/** What there is to say of a number that gets lower, of a resource that stays. */
export function lowered(change: Change, attribute: string, say: Say): (Finding | NotKnown)[] {
  return compared(change, attribute, (before, after) => (after < before ? say(before, after) : undefined));
}

/** What there is to say of a number that gets higher, of a resource that stays. */
export function raised(change: Change, attribute: string, say: Say): (Finding | NotKnown)[] {
  return compared(change, attribute, (before, after) => (after > before ? say(before, after) : undefined));
}

/** What there is to say of a number of a resource that stays. @param say is asked with both, also where they are the same */
export function compared(
  change: Change,
  attribute: string,
  say: (before: number, after: number) => Finding | undefined,
): (Finding | NotKnown)[] {
  if (!stays(change)) return [];
  const before = was(change, attribute);
  const after = will(change, attribute);
  if (!after.known) return notKnown(change, [attribute], `whether ${attribute} gets higher or lower`);
  if (typeof before !== "number" || typeof after.value !== "number") return [];
  const finding = say(before, after.value);
  return finding === undefined ? [] : [finding];
}
