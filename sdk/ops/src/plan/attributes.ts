import type { Change } from "./change.ts";

/** The blocks of an attribute that is a list of them. @example blocks(change.after, "point_in_time_recovery")[0]?.["enabled"] */
export function blocks(attributes: Change["before"], attribute: string): Readonly<Record<string, unknown>>[] {
  const value = attributes?.[attribute];
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item) => typeof item === "object" && item !== null).map((item) => ({ ...item }));
}

/** The texts of an attribute that is a list of them, or one. */
export function texts(value: unknown): string[] {
  return [value].flat(2).filter((item) => typeof item === "string");
}

/** `sqs queue policy` of `aws_sqs_queue_policy`. */
export function typeInWords(type: string): string {
  return type.replace(/^aws_(?:cloudwatch_)?/, "").replaceAll("_", " ");
}

/** A FIFO queue's name without the ending that all have. */
export function withoutFifo(name: unknown): string {
  return String(name).replace(/\.fifo$/, "");
}

/** The deployment that a resource belongs to, by the tag that every one of the stacks has. */
export function deploymentOf(attributes: Change["before"]): string | undefined {
  const deployment = record(attributes?.["tags_all"])["Deployment"];
  return typeof deployment === "string" ? deployment : undefined;
}

/** The fields of a value; none where it has none. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
