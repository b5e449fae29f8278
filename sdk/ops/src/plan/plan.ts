import type { Change } from "./change.ts";

/** One stack's plan, as far as a review needs it. */
export interface Plan {
  /** The stack, e.g. `prod-messaging`: by its file's name, else by what is in it. */
  readonly stack: string;
  /** Where it was read from: a path, or `stdin`. */
  readonly source: string;
  readonly terraformVersion: string;
  /** False where planning ended in an error, so that changes are missing. */
  readonly isWhole: boolean;
  /** False where another plan is needed after this one, e.g. with `-target`. */
  readonly isComplete: boolean;
  /** Every managed resource of the stack, those that stay as they are included. */
  readonly changes: readonly Change[];
  /** What has changed past Terraform since the last apply. */
  readonly outside: readonly Change[];
}

/** Finds something of a plan once, however often it is asked for. */
export function once<T>(find: (plan: Plan) => T): (plan: Plan) => T {
  const found = new WeakMap<Plan, { readonly value: T }>();
  return (plan) => {
    const known = found.get(plan) ?? { value: find(plan) };
    found.set(plan, known);
    return known.value;
  };
}

const byType = once(({ changes }) => Map.groupBy(changes, ({ type }) => type));

/** A plan's changes of one type. */
export function changesOf(plan: Plan, type: string): readonly Change[] {
  return byType(plan).get(type) ?? [];
}
