import { invalidParameter } from "./errors.ts";

/** The value, if it is a whole number from `least` to `most`. @throws SqsError `InvalidParameterValue` */
export function between(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidParameter(name, value, `Must be between ${least} and ${most}, if provided.`);
}
