import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as consumer from "../runtime/consumer/settle.ts";
import {
  ConfigError,
  type DeploymentInput,
  FAILING_PATH_RESERVE_MILLISECONDS,
  parseDeployment,
} from "../stacks/config.ts";

const valid: DeploymentInput = {
  name: "dev",
  region: "ap-northeast-2",
  stage: "kimalarm",
  backend: { url: "https://backend.example/" },
  queues: [{ name: "queue-1" }],
  producers: [{ name: "alarms" }],
};

/** The problems with a deployment that differs from a valid one. */
function problems(change: Partial<DeploymentInput>): readonly string[] {
  try {
    parseDeployment({ ...valid, ...change });
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.code, "INVALID_CONFIG");
    for (const problem of error.problems) assert.ok(error.message.includes(problem));
    return error.problems;
  }
  return [];
}

test("a deployment that says only what has no default is complete", () => {
  const deployment = parseDeployment(valid);
  assert.equal(deployment.queues[0]?.visibilityTimeoutSeconds, 360);
  assert.equal(deployment.queues[0]?.retentionSeconds, 14 * 86_400);
  assert.deepEqual(deployment.producers[0]?.keys, ["a"]);
  assert.equal(deployment.protect, true);
});

test("the rules know what the consumer keeps free before its deadline", () => {
  assert.equal(FAILING_PATH_RESERVE_MILLISECONDS, consumer.FAILING_PATH_RESERVE_MILLISECONDS);
});

describe("a rule between values is refused with bound and received value", () => {
  const broken: readonly [what: string, change: Partial<DeploymentInput>, says: RegExp][] = [
    [
      "a visibility below six function timeouts",
      { queues: [{ name: "q", visibilityTimeoutSeconds: 359 }] },
      /^queues\.0\.visibilityTimeoutSeconds is 359; .* 360/,
    ],
    [
      "a function that ends before its backend answers",
      { consumer: { timeoutSeconds: 15 } },
      /^consumer\.timeoutSeconds is 15; .* 15 s .*10000/,
    ],
    ["a batch over ten", { queues: [{ name: "q", batchSize: 11 }] }, /^queues\.0\.batchSize is 11; .* 10$/],
    [
      "a message that leaves the dead-letter queue no room",
      { queues: [{ name: "q", maxMessageBytes: 1_044_481 }] },
      /^queues\.0\.maxMessageBytes is 1044481; at most 1044480/,
    ],
    [
      "a dead-letter queue that forgets sooner",
      { queues: [{ name: "q", deadLetterRetentionSeconds: 86_400 }] },
      /^queues\.0\.deadLetterRetentionSeconds is 86400; .*1209600/,
    ],
    [
      "a redrive that a weekend's outage reaches",
      { queues: [{ name: "q", maxReceiveCount: 863 }] },
      /^queues\.0\.maxReceiveCount is 863; at least 864/,
    ],
    [
      "a retention that makes every message expired",
      { queues: [{ name: "q", retentionSeconds: 172_800 }] },
      /^queues\.0\.retentionSeconds is 172800/,
    ],
    [
      "an SQS name over 80 characters",
      { queues: [{ name: `q${"a".repeat(70)}` }] },
      /^queues\.0\.name gives .* SQS takes 80$/,
    ],
    ["a queue given twice", { queues: [{ name: "q" }, { name: "q" }] }, /^queues\.0\.name q is given more than once$/],
    [
      "a producer given twice",
      { producers: [{ name: "p" }, { name: "p" }] },
      /^producers\.0\.name p is given more than once$/,
    ],
    ["a key generation given twice", { producers: [{ name: "p", keys: ["a", "a"] }] }, /^producers\.0\.keys a, a/],
    [
      "a quota below its burst",
      { producers: [{ name: "p", burstLimit: 100, quota: { limit: 99, period: "DAY" } }] },
      /^producers\.0\.quota\.limit is 99; .*100$/,
    ],
    ["a function name over 64 characters", { name: `d${"e".repeat(60)}` }, /^name gives .* Lambda takes 64$/],
  ];
  for (const [what, change, says] of broken) {
    test(what, () => {
      assert.ok(
        problems(change).some((problem) => says.test(problem)),
        problems(change).join("\n"),
      );
    });
  }

  test("and all broken rules come at once", () => {
    const found = problems({
      consumer: { timeoutSeconds: 10 },
      queues: [{ name: "q", batchSize: 11, maxReceiveCount: 1 }],
    });
    assert.equal(found.length, 3);
  });
});

describe("a single value is refused with field, value and what was expected", () => {
  test("a queue name that is no path segment", () => {
    assert.match(problems({ queues: [{ name: "Queue 1" }] })[0] ?? "", /^queues\.0\.name: .*; received "Queue 1"$/);
  });
  test("a backend that is no URL", () => {
    assert.match(
      problems({ backend: { url: "backend:8000" } })[0] ?? "",
      /^backend\.url: .*; received "backend:8000"$/,
    );
  });
  test("a field that nothing reads", () => {
    const misspelt = { ...valid, queues: [{ name: "q", visibilityTimeout: 30 }] };
    assert.throws(() => parseDeployment(misspelt), /visibilityTimeout/);
  });
  test("a policy that this version does not have", () => {
    const park = { ...valid, queues: [{ name: "q", failurePolicy: "park" }] };
    // @ts-expect-error: the type refuses it as well
    assert.throws(() => parseDeployment(park), /failurePolicy/);
  });
});
