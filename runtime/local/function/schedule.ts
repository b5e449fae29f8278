import { z } from "zod";
import type { EmittedResource } from "../terraform/model.ts";
import { InvocationError } from "./process.ts";
import type { FunctionRunner } from "./runner.ts";

/** What invokes a function at a fixed rate. */
export interface Schedule {
  /** Invokes nothing more; resolves when the invocations under way have ended. */
  stop(): Promise<void>;
}

export interface ScheduleOptions {
  readonly resources: readonly EmittedResource[];
  readonly runner: Pick<FunctionRunner, "arn" | "name" | "invoke">;
  /** Told of every invocation that failed. It is not tried again: the next one comes at its time. */
  readonly onFailure?: ((reason: string) => void) | undefined;
  /**
   * Does something again and again, for the first time after the first interval.
   *
   * @returns ends that
   * @default setInterval
   */
  readonly every?: ((milliseconds: number, act: () => void) => () => void) | undefined;
}

const ruleSchema = z.strictObject({
  name: z.string(),
  description: z.string().optional(),
  schedule_expression: z.string(),
  id: z.string(),
  arn: z.string(),
});
const targetSchema = z.strictObject({
  rule: z.string(),
  target_id: z.string(),
  arn: z.string(),
  input: z.string(),
  id: z.string(),
});

/** Longest interval of a Node timer, in milliseconds (24.8 days); a longer one would fire at once. */
const MAX_TIMER_MILLISECONDS = 2 ** 31 - 1;
const UNIT_MILLISECONDS = { minute: 60_000, hour: 3_600_000 } as const;

/**
 * Runs the emitted `aws_cloudwatch_event_rule`s: invokes the function with the input of each `aws_cloudwatch_event_target`, at
 * its rule's rate. As in EventBridge, the first invocation comes one interval after the start.
 *
 * @throws Error that names the address and what local mode does not run: an expression other than `rate(n minutes)` or
 * `rate(n hours)`, an argument that it does not know, a target that is no function here
 * @example
 * const schedule = startSchedule({ resources, runner, onFailure: console.error });
 * await schedule.stop();
 */
export function startSchedule({ resources, runner, onFailure, every = repeat }: ScheduleOptions): Schedule {
  const rules = new Map(
    ofType(resources, "aws_cloudwatch_event_rule").map((resource) => {
      const rule = parse(ruleSchema, resource);
      return [rule.name, { milliseconds: interval(resource.address, rule.schedule_expression) }];
    }),
  );
  // All of them are read before the first one runs.
  const targets = ofType(resources, "aws_cloudwatch_event_target").map((resource) => {
    const { address } = resource;
    const target = parse(targetSchema, resource);
    const rule = rules.get(target.rule);
    if (rule === undefined) throw new Error(`${address}: rule is ${target.rule}, which is no rule here`);
    if (target.arn !== runner.arn) throw new Error(`${address}: arn is ${target.arn}, which is no function here`);
    return { address, event: parseInput(address, target.input), ...rule };
  });

  let stopped = false;
  const running = new Set<Promise<void>>();
  async function invoke(address: string, event: unknown): Promise<void> {
    try {
      await runner.invoke(event);
    } catch (error) {
      // Not on the way out: what was under way is killed then.
      if (!stopped) onFailure?.(`${address}: ${describe(error)}: it is invoked again at its next time`);
    }
  }
  const ends = targets.map(({ address, event, milliseconds }) =>
    every(milliseconds, () => {
      const invocation = invoke(address, event).finally(() => running.delete(invocation));
      running.add(invocation);
    }),
  );

  return {
    async stop() {
      stopped = true;
      for (const end of ends) end();
      await Promise.all(running);
    },
  };
}

function repeat(milliseconds: number, act: () => void): () => void {
  const timer = setInterval(act, milliseconds);
  return () => clearInterval(timer);
}

function interval(address: string, expression: string): number {
  const [, count, unit, plural] = /^rate\(([1-9]\d*) (minute|hour)(s?)\)$/.exec(expression) ?? [];
  // EventBridge refuses "1 minutes" and "2 minute".
  const known = count !== undefined && (unit === "minute" || unit === "hour") && (count === "1") === (plural === "");
  const milliseconds = known ? Number(count) * UNIT_MILLISECONDS[unit] : Number.POSITIVE_INFINITY;
  if (milliseconds <= MAX_TIMER_MILLISECONDS) return milliseconds;
  throw new Error(
    `${address}: schedule_expression is ${expression}; local mode runs rate(n minutes) and rate(n hours), up to 24 days`,
  );
}

function parseInput(address: string, input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    throw new Error(`${address}: input is ${input}, which is not JSON`);
  }
}

function ofType(resources: readonly EmittedResource[], wanted: string): EmittedResource[] {
  return resources.filter(({ type }) => type === wanted);
}

function parse<Schema extends z.ZodType>(schema: Schema, resource: EmittedResource): z.output<Schema> {
  const parsed = schema.safeParse(resource.values);
  if (!parsed.success) throw new Error(`${resource.address}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function describe(error: unknown): string {
  if (error instanceof InvocationError) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : "an unknown error";
}
