import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InvocationError } from "../runtime/local/function/process.ts";
import { startSchedule } from "../runtime/local/function/schedule.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";

const ARN = "arn:aws:lambda:ap-northeast-2:000000000000:function:counter";

describe("a schedule", () => {
  test("invokes the function with the target's input, at the rule's rate", async () => {
    const { clock, events, schedule } = start({ resources: [rule("rate(5 minutes)"), target()] });
    assert.deepEqual(clock.intervals(), [300_000]);
    assert.deepEqual(events, [], "not before the first interval is over");
    clock.tick();
    clock.tick();
    await schedule.stop();
    assert.deepEqual(events, [{ count: true }, { count: true }]);
  });

  test("keeps each target to its own rule", async () => {
    const { clock, schedule } = start({
      resources: [
        rule("rate(1 minute)", "often"),
        rule("rate(2 hours)", "seldom"),
        rule("rate(1 hour)", "for nobody"),
        target({ rule: "seldom" }),
        target({ rule: "often" }),
      ],
    });
    assert.deepEqual(clock.intervals(), [7_200_000, 60_000]);
    await schedule.stop();
  });

  test("says which target's invocation failed and why, and goes on", async () => {
    const said: string[] = [];
    const failures = [
      new InvocationError("timed-out", "counter took longer than 60 s"),
      new Error("counter was closed"),
    ];
    const { clock, events, schedule } = start({
      resources: [rule("rate(5 minutes)"), target()],
      onFailure: (reason) => said.push(reason),
      invoke: async () => {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
      },
    });
    for (const _ of [1, 2, 3]) clock.tick();
    // A turn of the event loop, in which all three end.
    await new Promise(setImmediate);
    await schedule.stop();
    assert.equal(events.length, 3);
    assert.deepEqual(said, [
      "dev-delivery/aws_cloudwatch_event_target.every-five: counter took longer than 60 s (timed-out): it is invoked again at its next time",
      "dev-delivery/aws_cloudwatch_event_target.every-five: counter was closed: it is invoked again at its next time",
    ]);
  });

  test("stops once what is under way has ended, and tells nobody that it was cut off", async () => {
    const said: string[] = [];
    const { promise: invocation, reject: cutOff } = Promise.withResolvers<void>();
    const { clock, schedule } = start({
      resources: [rule("rate(5 minutes)"), target()],
      onFailure: (reason) => said.push(reason),
      invoke: () => invocation,
    });
    clock.tick();
    let stopped = false;
    const stopping = schedule.stop().finally(() => {
      stopped = true;
    });
    assert.deepEqual(clock.intervals(), [], "nothing new is invoked");
    await new Promise(setImmediate);
    assert.equal(stopped, false);
    cutOff(new InvocationError("crashed", "counter ended in the middle of an invocation"));
    await stopping;
    assert.deepEqual(said, []);
  });

  test("uses a timer of Node's, and leaves none behind", async () => {
    const before = timers();
    const { runner } = start({ resources: [] });
    const schedule = startSchedule({ resources: [rule("rate(5 minutes)"), target()], runner });
    assert.equal(timers(), before + 1);
    await schedule.stop();
    assert.equal(timers(), before);
  });
});

describe("a schedule that local mode does not run is refused with its address", () => {
  const RULE = "dev-delivery/aws_cloudwatch_event_rule.rule";
  const TARGET = "dev-delivery/aws_cloudwatch_event_target.every-five";
  for (const expression of [
    "cron(0 12 * * ? *)",
    "rate(1 day)",
    "rate(0 minutes)",
    "rate(1 minutes)",
    "rate(5 minute)",
    "rate(01 minute)",
    "rate(1.5 hours)",
    "rate(5  minutes)",
    " rate(5 minutes)",
    "rate(597 hours)",
    "",
  ]) {
    test(`the expression "${expression}"`, () => {
      refused([rule(expression), target()], `${RULE}: schedule_expression is ${expression}; local mode runs rate(`);
    });
  }

  const others: readonly [what: string, resources: EmittedResource[], says: string][] = [
    ["a rule by events", [rule("rate(5 minutes)", "rule", { event_pattern: "{}" }), target()], `${RULE}: `],
    ["a disabled rule", [rule("rate(5 minutes)", "rule", { state: "DISABLED" }), target()], `${RULE}: `],
    ["a target of no rule", [target({ rule: "other" })], `${TARGET}: rule is other, which is no rule here`],
    [
      "a target that is another function",
      [rule("rate(5 minutes)"), target({ arn: `${ARN}-2` })],
      `${TARGET}: arn is ${ARN}-2, which is no function here`,
    ],
    [
      "an input that is no JSON",
      [rule("rate(5 minutes)"), target({ input: "count" })],
      `${TARGET}: input is count, which is not JSON`,
    ],
    ["a target without input", [rule("rate(5 minutes)"), target({ input: undefined })], `${TARGET}: `],
    ["an input that is made of the event", [rule("rate(5 minutes)"), target({ input_transformer: [] })], `${TARGET}: `],
  ];
  for (const [what, resources, says] of others) test(what, () => refused(resources, says));

  function refused(resources: EmittedResource[], says: string): void {
    const clock = new Clock();
    assert.throws(
      () =>
        start({
          resources: [rule("rate(5 minutes)", "every-hour"), target({ rule: "every-hour" }), ...resources],
          clock,
        }),
      (error: unknown) => error instanceof Error && error.message.startsWith(says),
      says,
    );
    assert.deepEqual(clock.intervals(), [], "and nothing was started");
  }
});

test("a deployment without rules has nothing to invoke", async () => {
  const { clock, schedule } = start({ resources: [emit("aws_lambda_function", "counter", { arn: ARN })] });
  assert.deepEqual(clock.intervals(), []);
  await schedule.stop();
});

const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

/** Timers that a test fires itself. */
class Clock {
  readonly #timers = new Set<{ readonly milliseconds: number; readonly act: () => void }>();

  readonly every = (milliseconds: number, act: () => void) => {
    const timer = { milliseconds, act };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  intervals(): number[] {
    return [...this.#timers].map(({ milliseconds }) => milliseconds);
  }

  /** Lets the next interval of every timer end. */
  tick(): void {
    for (const { act } of this.#timers) act();
  }
}

/** A schedule of a function that notes its events. */
function start(options: {
  readonly resources: readonly EmittedResource[];
  readonly onFailure?: (reason: string) => void;
  readonly invoke?: () => Promise<void>;
  readonly clock?: Clock;
}) {
  const events: unknown[] = [];
  const { clock = new Clock(), resources, onFailure } = options;
  const runner = {
    arn: ARN,
    name: "counter",
    async invoke(event: unknown) {
      events.push(event);
      await options.invoke?.();
    },
  };
  return { clock, events, runner, schedule: startSchedule({ resources, runner, onFailure, every: clock.every }) };
}

function rule(expression: string, name = "rule", more: Readonly<Record<string, unknown>> = {}): EmittedResource {
  const arn = `arn:aws:events:ap-northeast-2:000000000000:rule/${name}`;
  return emit("aws_cloudwatch_event_rule", name, { name, schedule_expression: expression, id: name, arn, ...more });
}

function target(values: Readonly<Record<string, unknown>> = {}): EmittedResource {
  return emit("aws_cloudwatch_event_target", "every-five", {
    rule: "rule",
    target_id: "counter",
    arn: ARN,
    input: '{"count":true}',
    id: "rule-counter",
    ...values,
  });
}

function emit(type: string, name: string, values: Readonly<Record<string, unknown>>): EmittedResource {
  return { stack: "dev-delivery", type, name, address: `dev-delivery/${type}.${name}`, values };
}
