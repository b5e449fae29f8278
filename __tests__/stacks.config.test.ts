import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { App } from "cdktf";
import { outageWait } from "../runtime/consumer/backoff.ts";
import * as consumer from "../runtime/consumer/ports.ts";
import { ConfigError, type DeploymentInput, parseDeployment } from "../stacks/config.ts";
import { backendUrlOf, planNetwork } from "../stacks/delivery/network-plan.ts";
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
  const broken: readonly (readonly [what: string, change: Partial<DeploymentInput>, says: RegExp])[] = [
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
    [
      "a key generation given twice",
      { producers: [{ name: "p", keys: ["a", "a"] }] },
      /^producers\.0\.keys are a, a; each generation/,
    ],
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
    [
      "a first generation that nobody can use",
      { producers: [{ name: "p", keys: [{ generation: "b", enabled: false }, "a"] }] },
      /^producers\.0\.keys\.0 is b, which is not enabled/,
    ],
    [
      "a producer that is faster than the gateway",
      { gateway: { throttle: { rateLimit: 999 } } },
      /^producers\.0\.rateLimit is 1000; .* gateway\.throttle\.rateLimit = 999/,
    ],
    [
      "a producer's burst that the gateway ends first",
      { gateway: { throttle: { burstLimit: 1_999 } } },
      /^producers\.0\.burstLimit is 2000; .* gateway\.throttle\.burstLimit = 1999/,
    ],
    [
      "less kept for the function than its event sources may take",
      {
        consumer: { reservedConcurrency: 24 },
        queues: [{ name: "a" }, { name: "b", maximumConcurrency: 15 }],
      },
      /^consumer\.reservedConcurrency is 24; .* maximumConcurrency = 25/,
    ],
    [
      "a domain outside its zone",
      { gateway: { domain: { name: "fifo.example.org", zone: "kimalarm.example" } } },
      /^gateway\.domain\.name is fifo\.example\.org; .*kimalarm\.example/,
    ],
    [
      "a domain that only ends like its zone",
      { gateway: { domain: { name: "fifo-kimalarm.example", zone: "kimalarm.example" } } },
      /^gateway\.domain\.name is fifo-kimalarm\.example; /,
    ],
    [
      "a domain that no certificate is issued for",
      { gateway: { domain: { name: `${"f".repeat(60)}.kimalarm.example`, zone: "kimalarm.example" } } },
      /^gateway\.domain\.name is 77 characters; ACM issues certificates for up to 64$/,
    ],
    [
      "a source given twice",
      { gateway: { allowedSources: ["203.0.113.0/24", "203.0.113.0/24"] } },
      /^gateway\.allowedSources 203\.0\.113\.0\/24, 203\.0\.113\.0\/24 name a range more than once$/,
    ],
    [
      "more sources than a resource policy has room for",
      {
        gateway: { allowedSources: Array.from({ length: 500 }, (_, index) => `10.0.${index % 256}.${index >> 8}/32`) },
      },
      /^gateway\.allowedSources are 500, .* API Gateway takes 8192/,
    ],
    [
      "more queues than an API has paths",
      { queues: Array.from({ length: 150 }, (_, index) => ({ name: `q${index}` })) },
      /^queues are 150, which make 302 resources of the API; API Gateway takes 300/,
    ],
    [
      "more producers than an account has usage plans",
      { producers: Array.from({ length: 301 }, (_, index) => ({ name: `p${index}` })) },
      /^producers are 301, .* API Gateway takes 300/,
    ],
    ...["8.8.8.0/24", "10.42.0.0/15", "10.42.0.0/27", "10.42.0.1/24", "172.32.0.0/24"].map(
      (network) =>
        [
          `${network} as the network`,
          { backend: "response-server", responseServer: { network } },
          new RegExp(`^responseServer\\.network is ${network.replaceAll(".", "\\.")}; it must be a private range`),
        ] as const,
    ),
    [
      "two subnets in one zone",
      { backend: "response-server", responseServer: { zones: ["a", "a"] } },
      /^responseServer\.zones are a, a; they must be two different ones$/,
    ],
    [
      "an alarm that comes when groups are out of sight already",
      { operations: { backlogMessages: 120_000 } },
      /^operations\.backlogMessages is 120000; it must be less than 120000/,
    ],
    [
      "a person who would get each mail twice",
      { operations: { emails: ["ops@kimalarm.example", "ops@kimalarm.example"] } },
      /^operations\.emails ops@kimalarm\.example, ops@kimalarm\.example name an address more than once$/,
    ],
    [
      "a role in an account that is not among the allowed",
      { aws: { accountIds: ["123456789012"], assumeRole: { arn: "arn:aws:iam::210987654321:role/deploy" } } },
      /^aws\.assumeRole\.arn is arn:aws:iam::210987654321:role\/deploy; .* = 123456789012/,
    ],
    ["a tag that is set already", { tags: { Deployment: "mine" } }, /^tags name Deployment; /],
    [
      "a tag that IAM takes for one that is set already",
      { tags: { project: "mine" } },
      /^tags name project; Project, /,
    ],
    ["two tags that are one to IAM", { tags: { Team: "a", team: "b" } }, /^tags are Team, team; IAM takes no keys/],
    [
      "security groups named as EC2 names their ids",
      { name: "sg-prod", backend: "response-server" },
      /^name is sg-prod; EC2 takes no security group whose name begins with sg-/,
    ],
    [
      "two keys with one name",
      {
        producers: [
          { name: "x", keys: ["b-a"] },
          { name: "x-b", keys: ["a"] },
        ],
      },
      /^producers and their keys give x-b-a more than once/,
    ],
    [
      "more tags than a resource takes",
      { tags: Object.fromEntries(Array.from({ length: 47 }, (_, index) => [`tag-${index}`, ""])) },
      /^tags are 47; at most 46, since AWS takes 50/,
    ],
    [
      "a workspace with too long a name",
      { terraformCloud: { organization: "kimalarm", workspacePrefix: "w".repeat(80) } },
      /^terraformCloud\.workspacePrefix gives the workspace w{80}dev-operations, 94 characters; Terraform Cloud takes 90$/,
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

/** A domain in one zone, which is made there or not. */
const zone = (name: string, createZone: boolean) =>
  ({ domain: { name: `${name}.kimalarm.example`, zone: "kimalarm.example", createZone } }) as const;

const terraformCloud = (workspacePrefix: string) => ({ organization: "kimalarm", workspacePrefix });

/** A deployment that owns the account's role, in one of these accounts. */
const own = (name: string, ...accountIds: string[]) =>
  ({ ...valid, name, aws: { accountIds }, gateway: { accountRole: "own" } }) as const;

test("rules between values are told beside values that are refused for themselves, but for rules that look at those", () => {
  const found = problems({
    consumer: { timeoutSeconds: 901 },
    queues: [
      { name: "a", maximumConcurrency: 1, batchSize: 11 },
      { name: "b", visibilityTimeoutSeconds: 30, retentionSeconds: 86_400 },
    ],
    tags: { Deployment: "mine" },
  });
  assert.deepEqual(
    found.map((problem) => /^[\w.]+/.exec(problem)?.[0]),
    // Not b's visibility: what it is compared with was refused.
    [
      "queues.0.maximumConcurrency",
      "consumer.timeoutSeconds",
      "tags",
      "queues.0.batchSize",
      "queues.1.retentionSeconds",
    ],
  );
  // What stands for the refused value is nobody's: no rule says anything of it.
  assert.equal(
    problems({ queues: [{ name: "a", retentionSeconds: 1, deadLetterRetentionSeconds: 86_400 }] }).length,
    1,
  );
  const misspelt = { ...valid, tracin: true, queues: [{ name: "q", batchSize: 11 }] };
  assert.throws(() => parseDeployment(misspelt), /2 problem[^]*tracin[^]*queues\.0\.batchSize is 11/);
});

const outdir = mkdtempSync(join(tmpdir(), "fifo-gateway-app-"));
after(() => rmSync(outdir, { recursive: true }));

test("a rule between values says nothing of what is on its bound", () => {
  assert.deepEqual(
    problems({
      consumer: { reservedConcurrency: 10 },
      gateway: {
        domain: { name: "kimalarm.example".padStart(64, "a."), zone: "kimalarm.example" },
        throttle: { rateLimit: 1_000, burstLimit: 2_000 },
      },
      operations: { backlogMessages: 119_999 },
      aws: { accountIds: ["123456789012"], assumeRole: { arn: "arn:aws:iam::123456789012:role/path/deploy" } },
      tags: Object.fromEntries(Array.from({ length: 46 }, (_, index) => [`tag-${index}`, ""])),
      backend: "response-server",
      responseServer: { network: "172.31.255.192/26" },
    }),
    [],
  );
  assert.deepEqual(problems({ gateway: { domain: { name: "kimalarm.example", zone: "kimalarm.example" } } }), []);
  // Of another backend's network, nothing is made.
  assert.deepEqual(problems({ responseServer: { network: "8.8.8.0/24" } }), []);
});

test("the response server's address is known before anything is made", () => {
  assert.deepEqual(planNetwork("10.42.0.0/24"), {
    publicSubnet: "10.42.0.0/26",
    privateSubnets: ["10.42.0.64/26", "10.42.0.128/26"],
    instanceAddress: "10.42.0.10",
  });
  assert.deepEqual(planNetwork("172.31.255.192/26").privateSubnets, ["172.31.255.208/28", "172.31.255.224/28"]);
  const { backend, responseServer } = parseDeployment({ ...valid, backend: "response-server" });
  assert.equal(backendUrlOf({ backend, responseServer }), "http://10.42.0.10:8000/");
});

describe("names that two parts of an app would share are refused", () => {
  test("a queue named like a construct beside it", () => {
    const one = new App({ outdir });
    const gateway: DeploymentInput["gateway"] = {
      accountRole: "own",
      allowedSources: ["203.0.113.0/24"],
      corsOrigins: ["*"],
      domain: { name: "fifo.kimalarm.example", zone: "kimalarm.example", createZone: true },
      firewall: { requestsPerAddress: 100 },
    };
    const queues: DeploymentInput["queues"] = [{ name: "queue-1", failurePolicy: "park" }];
    deploy(one, {
      ...valid,
      backend: "response-server",
      queues,
      gateway,
      operations: {},
      encryption: "customer-managed",
    });
    // In the operations stack no construct has a queue's name.
    const stacks = one.node.children.filter(({ node }) => node.id !== "dev-operations");
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
      /dev-a-b\.fifo, .*which deployment dev has as well/,
    );
    deploy(one, { ...valid, name: "dev-b", region: "us-east-1", queues: [{ name: "b" }] });
  });

  test("the account's role for gateway logs, unless the accounts are different for sure", () => {
    const one = new App({ outdir });
    deploy(one, own("one", "123456789012"));
    assert.throws(() => deploy(one, own("two", "123456789012")), /gateway\.accountRole is own, as deployment one's; /);
    assert.throws(() => deploy(one, own("three")), /gateway\.accountRole is own, as deployment one's; /);
    deploy(one, own("four", "210987654321"));
    deploy(one, { ...own("five", "123456789012"), region: "us-east-1" });
    deploy(one, { ...own("six", "123456789012"), gateway: { accountRole: "existing" } });
  });

  test("the deployment's own name", () => {
    const one = new App({ outdir });
    deploy(one, valid);
    assert.throws(
      () => deploy(one, { ...valid, region: "us-east-1" }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.problems[0], "name dev is given to another deployment already");
        return true;
      },
    );
  });

  test("a zone that both would make, and workspaces", () => {
    const one = new App({ outdir });
    deploy(one, { ...valid, name: "b-c", gateway: zone("one", true), terraformCloud: terraformCloud("a-") });
    deploy(one, { ...valid, name: "two", gateway: zone("two", false) });
    assert.throws(
      () => deploy(one, { ...valid, name: "three", gateway: zone("three", true) }),
      /gateway\.domain\.createZone is true, as deployment b-c's/,
    );
    assert.throws(
      () => deploy(one, { ...valid, name: "a-b-c", terraformCloud: terraformCloud("") }),
      /terraformCloud gives the workspaces that deployment b-c has as well/,
    );
  });

  test("a domain", () => {
    const domain = { name: "fifo.kimalarm.example", zone: "kimalarm.example" };
    const one = new App({ outdir });
    deploy(one, { ...valid, name: "one", gateway: { domain } });
    assert.throws(
      () => deploy(one, { ...valid, name: "two", region: "us-east-1", gateway: { domain } }),
      /gateway\.domain\.name is fifo\.kimalarm\.example, which deployment one has as well/,
    );
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
  test("a password however the URL is spelt, which no error repeats", () => {
    for (const url of [
      "HTTPS://u:secret@h.example/",
      "https:///u:secret@h.example/",
      "https://u:sec/secret@h.example/",
      "https:/u:secret@h.example/",
    ]) {
      const found = problems({ backend: { url } });
      assert.match(found.join(), /^backend\.url: /, url);
      assert.doesNotMatch(found.join(), /secret/, url);
    }
    const role = { arn: "arn:aws:iam::123456789012:role/deploy", externalId: "secret !" };
    assert.match(
      problems({ aws: { assumeRole: role } }).join(),
      /^aws\.assumeRole\.externalId: .*; received a value that is not shown$/,
    );
    // @ts-expect-error: the type refuses it as well
    const misplaced = problems({ backend: { url: "https://h.example/", password: "secret" } });
    assert.deepEqual(misplaced, ["backend.password: there is no such field; is it misspelt?"]);
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
  test("a backend that is neither a URL nor the response server", () => {
    const other = { ...valid, backend: "lambda" };
    // @ts-expect-error: the type refuses it as well
    assert.throws(() => parseDeployment(other), /backend: "response-server", or \{ url: .*; received "lambda"/);
  });
  test("a batching window on a FIFO queue", () => {
    const window = { ...valid, queues: [{ name: "q", maximumBatchingWindowSeconds: 5 }] };
    assert.throws(
      // @ts-expect-error: the type refuses it as well
      () => parseDeployment(window),
      /queues\.0\.maximumBatchingWindowSeconds: must not be given: .*; received 5/,
    );
  });
  test("a generation of a key", () => {
    const [problem] = problems({ producers: [{ name: "p", keys: ["A"] }] });
    assert.match(problem ?? "", /^producers\.0\.keys\.0: a generation of lower-case letters, .*; received "A"$/);
  });
  for (const [what, change, says] of [
    [
      "an instance of another processor",
      { responseServer: { instanceType: "t3.small" } },
      /^responseServer\.instanceType: .*arm64.*"t3\.small"$/,
    ],
    [
      "a time zone that is none",
      { responseServer: { timeZone: "Asia/Soul" } },
      /^responseServer\.timeZone: .*"Asia\/Soul"$/,
    ],
    [
      "a disk that the system does not fit on",
      { responseServer: { diskGibibytes: 7 } },
      /^responseServer\.diskGibibytes: .*; received 7$/,
    ],
    [
      "a source that is no range",
      { gateway: { allowedSources: ["203.0.113.7"] } },
      /^gateway\.allowedSources\.0: a range of addresses, .*"203\.0\.113\.7"$/,
    ],
    [
      "a domain with a final dot",
      { gateway: { domain: { name: "fifo.kimalarm.example.", zone: "kimalarm.example" } } },
      /^gateway\.domain\.name: a domain name .*"fifo\.kimalarm\.example\."$/,
    ],
    [
      "another concurrency that Lambda does not take",
      { queues: [{ name: "q", maximumConcurrency: 1_001 }] },
      /^queues\.0\.maximumConcurrency: .*; received 1001$/,
    ],
    [
      "a concurrency that Lambda does not take",
      { queues: [{ name: "q", maximumConcurrency: 1 }] },
      /^queues\.0\.maximumConcurrency: .*; received 1$/,
    ],
    [
      "an account id that is none",
      { aws: { accountIds: ["1234"] } },
      /^aws\.accountIds\.0: an account id of 12 digits; received "1234"$/,
    ],
    [
      "a retention that CloudWatch does not take",
      { gateway: { logRetentionDays: 31 } },
      /^gateway\.logRetentionDays: one of the days .*; received 31$/,
    ],
    ["a tag of AWS's own", { tags: { "aws:name": "x" } }, /^tags\.aws:name: a tag's key: .*; received "x"$/],
  ] as const satisfies readonly (readonly [string, Partial<DeploymentInput>, RegExp])[]) {
    test(what, () => assert.match(problems(change)[0] ?? "", says));
  }
  test("a time zone that Linux has no file of", () => {
    for (const timeZone of ["+09:00", "utc", "asia/seoul", "Asia/SEOUL", "JST", "SystemV/AST4"])
      assert.match(problems({ responseServer: { timeZone } }).join(), /^responseServer\.timeZone: /, timeZone);
    for (const timeZone of ["UTC", "Etc/GMT+9", "Asia/Calcutta", "Asia/Kolkata", "America/Argentina/Buenos_Aires"])
      assert.deepEqual(problems({ responseServer: { timeZone } }), [], timeZone);
    for (const timeZone of Intl.supportedValuesOf("timeZone"))
      assert.deepEqual(problems({ responseServer: { timeZone } }), [], timeZone);
  });
  test("a value that is no JSON", () => {
    // @ts-expect-error: the type refuses it as well
    const big: Partial<DeploymentInput> = { gateway: { firewall: { requestsPerAddress: 10n } } };
    assert.match(
      problems(big).join(),
      /^gateway\.firewall\.requestsPerAddress: .*; received a bigint that is no JSON$/,
    );
    // @ts-expect-error: the type refuses it as well
    const called: Partial<DeploymentInput> = { tracing: () => true, tags: { Deployment: "mine" } };
    assert.deepEqual(
      problems(called).map((problem) => /^\w+/.exec(problem)?.[0]),
      ["tracing", "tags"],
    );
  });
  test("a name that JavaScript has everywhere", () => {
    assert.match(problems({ queues: [{ name: "constructor" }] }).join(), /^queues\.0\.name: any name but constructor/);
  });
  test("a field that nothing reads", () => {
    const misspelt = { ...valid, queues: [{ name: "q", visibilityTimeout: 30 }] };
    assert.throws(() => parseDeployment(misspelt), /queues\.0\.visibilityTimeout: there is no such field/);
  });
  test("a policy that this version does not have", () => {
    const drop = { ...valid, queues: [{ name: "q", failurePolicy: "drop" }] };
    // @ts-expect-error: the type refuses it as well
    assert.throws(() => parseDeployment(drop), /queues\.0\.failurePolicy: .*; received "drop"/);
  });
});
