import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { App } from "cdktf";
import { outageWait } from "../runtime/consumer/backoff.ts";
import * as consumer from "../runtime/consumer/ports.ts";
import { ConfigError, type DeploymentInput, parseDeployment } from "../stacks/config.ts";
import { deploy } from "../stacks/deploy.ts";
import { FAILING_PATH_RESERVE_MILLISECONDS, OUTAGE_RECEIVES } from "../stacks/rules.ts";

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
  assert.deepEqual(deployment.producers[0]?.keys, [{ generation: "a", enabled: true }]);
  assert.equal(deployment.protect, true);
});

test("a queue has what its failure policy allows, where it says nothing else", () => {
  const { queues } = parseDeployment({ ...valid, queues: [{ name: "a" }, { name: "b", failurePolicy: "park" }] });
  assert.deepEqual(
    queues.map(({ failurePolicy, maxMessageBytes, maxReceiveCount }) => [
      failurePolicy,
      maxMessageBytes,
      maxReceiveCount,
    ]),
    [
      ["dead-letter", 1_044_480, 1_000],
      ["park", 389_120, undefined],
    ],
  );
  const given = parseDeployment({
    ...valid,
    queues: [
      { name: "a", maxMessageBytes: 2_048, maxReceiveCount: 960 },
      { name: "b", failurePolicy: "park", maxMessageBytes: 2_048 },
    ],
  });
  assert.deepEqual(
    given.queues.map(({ maxMessageBytes, maxReceiveCount }) => [maxMessageBytes, maxReceiveCount]),
    [
      [2_048, 960],
      [2_048, undefined],
    ],
  );
});

/** Seconds that so many receives of a group's head take while the backend is away, on average. */
function lasts(receives: number): number {
  return Array.from({ length: receives }, (_, index) => outageWait(index + 1, 0.5)).reduce((sum, wait) => sum + wait);
}

test("the rules know how many receives of the consumer's waits outlast three days", () => {
  assert.ok(lasts(OUTAGE_RECEIVES) > 3 * 86_400, `${lasts(OUTAGE_RECEIVES)} s`);
  assert.ok(lasts(OUTAGE_RECEIVES - 20) < 3 * 86_400, "and the bound is not much higher than it has to be");
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
      { consumer: { timeoutSeconds: 17 } },
      /^consumer\.timeoutSeconds is 17; .* 17 s .*10000/,
    ],
    ["a batch over ten", { queues: [{ name: "q", batchSize: 11 }] }, /^queues\.0\.batchSize is 11; .* 10$/],
    [
      "a message that leaves the dead-letter queue no room",
      { queues: [{ name: "q", maxMessageBytes: 1_044_481 }] },
      /^queues\.0\.maxMessageBytes is 1044481; at most 1044480/,
    ],
    [
      "a message that would not fit into the parking lot",
      { queues: [{ name: "q", failurePolicy: "park", maxMessageBytes: 389_121 }] },
      /^queues\.0\.maxMessageBytes is 389121; at most 389120 under failurePolicy park/,
    ],
    [
      "a redrive of a queue whose heads must not move",
      { queues: [{ name: "q", failurePolicy: "park", maxReceiveCount: 1_000 }] },
      /^queues\.0\.maxReceiveCount is 1000; under failurePolicy park it must not be given/,
    ],
    [
      "a dead-letter queue that forgets sooner",
      { queues: [{ name: "q", deadLetterRetentionSeconds: 86_400 }] },
      /^queues\.0\.deadLetterRetentionSeconds is 86400; .*1209600/,
    ],
    [
      "a redrive that a weekend's outage reaches",
      { queues: [{ name: "q", maxReceiveCount: 959 }] },
      /^queues\.0\.maxReceiveCount is 959; at least 960/,
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
    [
      "a queue named like a dead-letter queue",
      { queues: [{ name: "q-dead-letter" }] },
      /^queues\.0\.name q-dead-letter /,
    ],
    ["a path that API Gateway keeps", { queues: [{ name: "ping" }] }, /^queues\.0\.name ping /],
    [
      "more queues than the consumer's environment has room for",
      { queues: Array.from({ length: 20 }, (_, index) => ({ name: `queue-${index}` })) },
      /^queues are 20, .* Lambda takes 4096/,
    ],
    [
      "any origin beside a listed one",
      { gateway: { corsOrigins: ["*", "https://app.example"] } },
      /^gateway\.corsOrigins is \*, https:\/\/app\.example; "\*" stands alone/,
    ],
    [
      "an origin given twice",
      { gateway: { corsOrigins: ["https://app.example", "https://app.example"] } },
      /^gateway\.corsOrigins https:\/\/app\.example, https:\/\/app\.example name an origin more than once$/,
    ],
    ["a role name over 64 characters", { name: `d${"e".repeat(45)}` }, /^name gives the role .* IAM takes 64$/],
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

const outdir = mkdtempSync(join(tmpdir(), "fifo-gateway-app-"));
after(() => rmSync(outdir, { recursive: true }));

describe("names that two parts of an app would share are refused", () => {
  test("a queue named like a construct beside it", () => {
    const one = new App({ outdir });
    deploy(one, { ...valid, backend: "response-server", queues: [{ name: "queue-1", failurePolicy: "park" }] });
    const stacks = one.node.children;
    const beside = [
      ...stacks,
      ...stacks.flatMap(({ node }) => node.children).filter(({ node }) => node.id === "consumer"),
    ]
      .flatMap(({ node }) => node.children.map((child) => child.node.id))
      .filter((id) => /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(id) && id !== "queue-1" && id !== "consumer");
    assert.ok(
      beside.includes("logs") &&
        beside.includes("api") &&
        beside.includes("parked-groups") &&
        beside.includes("network"),
      beside.join(", "),
    );
    for (const name of beside) assert.notDeepEqual(problems({ queues: [{ name }] }), [], name);
  });

  test("a queue of two deployments that would be one in SQS", () => {
    const one = new App({ outdir });
    deploy(one, { ...valid, name: "dev", queues: [{ name: "a-b" }] });
    assert.throws(
      () => deploy(one, { ...valid, name: "dev-a", queues: [{ name: "b" }] }),
      /dev-a-b\.fifo, which deployment dev has/,
    );
    deploy(one, { ...valid, name: "dev-b", region: "us-east-1", queues: [{ name: "b" }] });
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
  test("a backend with a password in its URL", () => {
    const [problem] = problems({ backend: { url: "https://user:secret@backend.example/" } });
    assert.match(problem ?? "", /^backend\.url: no user and password/);
    assert.doesNotMatch(problem ?? "", /secret/);
  });
  test("a region of another partition", () => {
    assert.match(problems({ region: "us-gov-west-1" })[0] ?? "", /^region: .*; received "us-gov-west-1"$/);
  });
  test("a visibility that the consumer could not set anew", () => {
    const queues = [{ name: "q", visibilityTimeoutSeconds: 21_601 }];
    assert.match(problems({ queues })[0] ?? "", /^queues\.0\.visibilityTimeoutSeconds: .*; received 21601$/);
  });
  test("an origin that no browser would send", () => {
    for (const origin of [
      "app.example",
      "https://app.example/",
      "https://app.example/path",
      "https://app.example?a",
      "https://App.example",
      "https://app.example:443",
      "https://app.example:99999",
      "https://user@app.example",
      "https://*.app.example",
      "https://app.example,https://b.example",
      "https://a'b.example",
      "https://a$b.example",
      "http://app.example",
      "http://127.0.0.1.example",
      "http://localhost:80",
      "ftp://localhost",
      "null",
      "",
    ]) {
      const [problem, another] = problems({ gateway: { corsOrigins: ["https://b.example", origin] } });
      assert.match(problem ?? "", /^gateway\.corsOrigins\.1: an origin as browsers send it, .*; received "/, origin);
      assert.ok(problem?.endsWith(`; received ${JSON.stringify(origin.replace("user@", "***@"))}`), problem);
      assert.equal(another, undefined);
    }
  });
  test("and one that a browser sends is taken", () => {
    for (const origin of [
      "*",
      "https://app.example",
      "https://app.example:8443",
      "https://xn--bcher-kva.example",
      "https://[2001:db8::1]",
      "http://localhost",
      "http://localhost:5173",
      "http://app.localhost:5173",
      "http://127.0.0.1:8080",
      "http://[::1]:8080",
    ]) {
      assert.deepEqual(problems({ gateway: { corsOrigins: [origin] } }), [], origin);
    }
    assert.deepEqual(parseDeployment(valid).gateway.corsOrigins, []);
  });
  test("a field that nothing reads", () => {
    const misspelt = { ...valid, queues: [{ name: "q", visibilityTimeout: 30 }] };
    assert.throws(() => parseDeployment(misspelt), /visibilityTimeout/);
  });
  test("a policy that this version does not have", () => {
    const drop = { ...valid, queues: [{ name: "q", failurePolicy: "drop" }] };
    // @ts-expect-error: the type refuses it as well
    assert.throws(() => parseDeployment(drop), /queues\.0\.failurePolicy: .*; received "drop"/);
  });
});
