import type { DeploymentConfig } from "../config.ts";
import type { Metric, Statistic } from "./metrics.ts";

/** A metric's values of each period as one. */
export interface Series {
  readonly metric: Metric;
  readonly statistic: Statistic;
}

/** Metric math over series, which it names (CloudWatch, "Using math expressions with CloudWatch metrics"). */
interface Expression {
  readonly expression: string;
  readonly of: Readonly<Record<string, Series>>;
}

/** One alarm: a row of the tables in `*-alarms.ts`, which read along the path. */
export interface Alarm {
  /** `<hop>-<what>`. The deployment's name goes before it. */
  readonly id: string;
  readonly watches: Series | Expression;
  /** Raised by values of at least this. */
  readonly atLeast: number;
  /** What one value is made of, in seconds. CloudWatch looks every minute, at the last so many seconds ("Alarm evaluation"). */
  readonly every: number;
  /** Raised when so many values of the last so many are bad. */
  readonly bad: readonly [values: number, of: number];
  /**
   * What a period without a value means (CloudWatch, "Configuring how CloudWatch alarms treat missing data").
   * - `good`: nothing happened that could have been counted.
   * - `as-before`: nothing is known to have changed.
   * - `unknown`: it should have been there. The alarm says so, by mail as well.
   */
  readonly missing: "good" | "as-before" | "unknown";
  /** What has happened, and to whom. */
  readonly means: string;
  /** What to do first, in paragraphs. Commands are {@link typed}. */
  readonly first: readonly string[];
}

/** What an alarm says in mails and, as Markdown, in the console. CloudWatch takes 1,024 characters (PutMetricAlarm). */
export function description({ means, first }: Alarm): string {
  return [means, ...first].join("\n\n");
}

/** A command on a line of its own, to be copied. */
export function typed(command: string): string {
  return `    ${command}`;
}

/** An ops verb as it is typed in the project's folder. */
export function ops({ name, region }: DeploymentConfig, verb: string): string {
  return `npm run ops -- ${verb} --deployment ${name} --region ${region}`;
}

/** A command of the AWS CLI, as it is typed. */
export function aws({ region }: DeploymentConfig, command: string): string {
  return `aws ${command} --region ${region}`;
}

/** The names of the deployment's alarms that are raised. */
export function raisedAlarms(deployment: DeploymentConfig): string {
  return aws(
    deployment,
    `cloudwatch describe-alarms --alarm-name-prefix ${deployment.name}- --state-value ALARM --query "MetricAlarms[].AlarmName"`,
  );
}

/** Seconds as days, rounded down: nobody should count on more. */
export function days(seconds: number): number {
  return Math.floor((10 * seconds) / 86_400) / 10;
}

/** A number as people read it, e.g. `80,000`. */
export function count(number: number): string {
  return number.toLocaleString("en-US");
}
