import { type Change, shown, was, will } from "../change.ts";

/** `queue prod-queue-1 is replaced by an empty one`. */
export function howItGoes(label: string, change: Change, replacement = "an empty one"): string {
  if (change.origin === "outside") return `${label} was destroyed`;
  if (change.isDeposed) return `${label}, left over from an earlier replacement, is destroyed`;
  return change.action === "replace" ? `${label} is replaced by ${replacement}` : `${label} is destroyed`;
}

/** Terraform's own reasons (JSON Output Format, `action_reason`), as a reviewer would say them. */
const REASONS: Readonly<Record<string, string>> = {
  replace_because_tainted: "it is marked as tainted: an earlier apply failed halfway",
  replace_by_request: "the plan was made with -replace",
  replace_by_triggers: "its lifecycle's replace_triggered_by says so",
  delete_because_no_resource_config: "it is no longer in the configuration",
  delete_because_no_module: "its module is no longer in the configuration",
  delete_because_wrong_repetition: "its count or for_each was added or taken away",
  delete_because_count_index: "its count has no such index any more",
  delete_because_each_key: "its for_each has no such key any more",
  delete_because_no_move_target: "what it was moved to is not in the configuration",
};

/** Why a resource goes: the values that cannot be changed in place, or Terraform's reason. */
export function whyItGoes(change: Change): string {
  if (change.origin === "outside") return "it is in the state, and AWS has it no more";
  if (change.isDeposed) return "Terraform could not destroy it when it was replaced";
  if (change.replacedFor.length > 0) {
    const values = change.replacedFor.map((attribute) => {
      const after = will(change, attribute);
      const is = after.known ? shown(change, attribute, after.value) : "known after the apply";
      const old = shown(change, attribute, was(change, attribute));
      return old === is ? attribute : `${attribute} ${old} -> ${is}`;
    });
    return `cannot be changed in place: ${values.join(", ")}`;
  }
  return REASONS[change.actionReason ?? ""] ?? "Terraform gives no reason, as with -destroy";
}

/** Both, of a finding about a resource that goes. @param replacement what takes its place, if something does */
export function howAndWhyItGoes(
  label: string,
  change: Change,
  replacement?: string,
): { readonly what: string; readonly reason: string } {
  return { what: howItGoes(label, change, replacement), reason: whyItGoes(change) };
}

/** @example number(1044480) // "1,044,480" */
export function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** @example days(345600) // "4 d" */
export function days(seconds: number): string {
  const whole = seconds / 86_400;
  return whole >= 1 ? `${Number(whole.toFixed(1))} d` : `${number(seconds)} s`;
}
