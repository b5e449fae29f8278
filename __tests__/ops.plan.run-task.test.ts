import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { createRunTask } from "../docs/examples/run-task.ts";
import { type ScriptedAnswer, startBackend } from "./helpers/scripted-backend.ts";
import { until } from "./helpers/until.ts";
import { readFixture } from "./plans/fixtures.ts";

const hmacKey = "shared with Terraform Cloud";
const token = "token-of-this-run";

const resultSchema = z.strictObject({
  data: z.strictObject({
    type: z.literal("task-results"),
    attributes: z.strictObject({ status: z.enum(["passed", "failed"]), message: z.string() }),
    relationships: z.strictObject({
      outcomes: z.strictObject({
        data: z.array(
          z.strictObject({
            type: z.literal("task-result-outcomes"),
            attributes: z.strictObject({
              "outcome-id": z.string(),
              description: z.string(),
              tags: z.strictObject({ Severity: z.array(z.strictObject({ label: z.string(), level: z.string() })) }),
              body: z.string(),
            }),
          }),
        ),
      }),
    }),
  }),
});

/** Terraform Cloud, the store that it redirects to, and the run task between them. Until a plan is ready there are `unready` answers of 204. */
async function startWorld({
  plan,
  unready = 0,
  refusals = 0,
  failOn = "high" as const,
}: {
  readonly plan: string;
  readonly unready?: number;
  readonly refusals?: number;
  readonly failOn?: "high" | "medium" | "none";
}) {
  const store = await startBackend({ body: plan });
  let [looks, results] = [0, 0];
  const cloudAnswer: ScriptedAnswer = (response, { method }) => {
    if (method === "PATCH") return response.writeHead((results += 1) <= refusals ? 503 : 200).end();
    if ((looks += 1) <= unready) return response.writeHead(204).end();
    return response.writeHead(307, { location: `${store.url}object` }).end();
  };
  const cloud = await startBackend(cloudAnswer);
  const allowedOrigins = [new URL(cloud.url).origin];
  const server = createRunTask({ hmacKey, allowedOrigins, failOn, retryMilliseconds: 1 });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const request = {
    payload_version: 1,
    stage: "post_plan",
    access_token: token,
    workspace_name: "fifo-gateway-prod-messaging",
    plan_json_api_url: `${cloud.url}api/v2/plans/plan-1/json-output`,
    task_result_callback_url: `${cloud.url}api/v2/task-results/1/callback`,
  };
  /** Sends a request as Terraform Cloud does. */
  const ask = (changed: Partial<typeof request> = {}, signature?: string) => {
    const body = JSON.stringify({ ...request, ...changed });
    const headers = {
      "content-type": "application/json",
      "x-tfc-task-signature": signature ?? createHmac("sha512", hmacKey).update(body).digest("hex"),
    };
    return fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body });
  };
  const patches = () => cloud.received.filter(({ method }) => method === "PATCH");
  return {
    store,
    cloud,
    ask,
    patches,
    /** What the task said of a run. */
    async resultOf(changed: Partial<typeof request> = {}) {
      assert.equal((await ask(changed)).status, 200);
      await until(() => patches().length > refusals);
      const { attributes, relationships } = resultSchema.parse(JSON.parse(String(patches().at(-1)?.body))).data;
      return { ...attributes, outcomes: relationships.outcomes.data.map((outcome) => outcome.attributes) };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await cloud[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

describe("a run task", () => {
  test("passes a plan without risks, and shows what it changes", async () => {
    await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
    const { status, message, outcomes } = await world.resultOf();
    assert.deepEqual([status, message], ["passed", "no risks found"]);
    assert.deepEqual(outcomes[0]?.tags.Severity, [{ label: "none", level: "none" }]);
    assert.match(outcomes[0]?.body ?? "", /^### Plan review: no risks found\n/);
  });

  test("fails a dangerous plan, with the severity and the review as Markdown", async () => {
    await using world = await startWorld({ plan: readFixture("key-given-up") });
    const { status, message, outcomes } = await world.resultOf();
    assert.equal(status, "failed");
    assert.match(message, /^critical: the deployment's key is destroyed/);
    assert.equal(outcomes.length, 1);
    assert.deepEqual(outcomes[0]?.tags.Severity, [{ label: "critical", level: "error" }]);
    assert.match(outcomes[0]?.body ?? "", /#### 🔴 critical: the deployment's key is destroyed[\s\S]*\*\*Instead:\*\*/);
  });

  test("passes a risk below the severity at which it fails, and still warns of it", async () => {
    await using world = await startWorld({ plan: readFixture("protection-off") });
    const { status, outcomes } = await world.resultOf();
    assert.equal(status, "passed");
    assert.deepEqual(outcomes[0]?.tags.Severity, [{ label: "medium", level: "warning" }]);
  });

  for (const [failOn, expected] of [
    ["medium", "failed"],
    ["none", "passed"],
  ] as const)
    test(`says ${expected} of a medium risk where it fails at ${failOn}`, async () => {
      await using world = await startWorld({ plan: readFixture("protection-off"), failOn });
      assert.equal((await world.resultOf()).status, expected);
    });

  test("shows its token to Terraform Cloud, and never to the host that the plan is redirected to", async () => {
    await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
    await world.resultOf();
    assert.deepEqual(
      world.cloud.received.map(({ method, headers }) => [method, headers.authorization]),
      [
        ["GET", `Bearer ${token}`],
        ["PATCH", `Bearer ${token}`],
      ],
    );
    assert.equal(world.patches()[0]?.headers["content-type"], "application/vnd.api+json");
    assert.equal(world.store.received.length, 1);
    assert.doesNotMatch(JSON.stringify(world.store.received), new RegExp(token));
  });

  test("waits for a plan that is not ready", async () => {
    await using world = await startWorld({ plan: readFixture("data-keys-kept-longer"), unready: 2 });
    assert.equal((await world.resultOf()).status, "passed");
  });

  test("sends its result again when Terraform Cloud does not take it", async () => {
    await using world = await startWorld({ plan: readFixture("key-given-up"), refusals: 2 });
    assert.equal((await world.resultOf()).status, "failed");
    assert.equal(world.patches().length, 3);
  });
});

describe("a run task never passes what it has not seen", () => {
  test("a plan that is none", async () => {
    const secret = "api-key-in-plain-text";
    await using world = await startWorld({ plan: `{"values": "${secret}` });
    const { status, message, outcomes } = await world.resultOf();
    assert.equal(status, "failed");
    assert.match(message, /^the plan was not reviewed: fifo-gateway-prod-messaging is not JSON/);
    assert.doesNotMatch(message, new RegExp(secret));
    assert.deepEqual(outcomes, []);
  });

  test("a plan that does not get ready", async () => {
    await using world = await startWorld({ plan: "", unready: Number.POSITIVE_INFINITY });
    const { status, message } = await world.resultOf();
    assert.deepEqual(
      [status, message],
      ["failed", "the plan was not reviewed: Terraform Cloud did not give it: HTTP 204"],
    );
  });

  test("a plan of another host, which it does not call", async () => {
    await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
    const { status, message } = await world.resultOf({ plan_json_api_url: `${world.store.url}plan` });
    assert.equal(status, "failed");
    assert.match(message, /plan_json_api_url is on no host of RUN_TASK_HOST/);
    assert.deepEqual(world.store.received, []);
  });

  for (const stage of ["pre_plan", "pre_apply", "post_apply"])
    test(`a run at the stage ${stage}`, async () => {
      await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
      const { status, message } = await world.resultOf({ stage });
      assert.deepEqual(
        [status, message],
        ["failed", "the plan was not reviewed: this task belongs to the stage post-plan"],
      );
      assert.deepEqual(world.store.received, []);
    });
});

describe("a run task calls nobody", () => {
  for (const [name, signature] of [
    ["wrong", "ab".repeat(64)],
    ["short", "ab"],
    ["missing", ""],
  ] as const)
    test(`for a request whose signature is ${name}: 401`, async () => {
      await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
      assert.equal((await world.ask({}, signature)).status, 401);
      // A request after it has been dealt with, so the first one has been as well.
      await world.resultOf();
      assert.deepEqual([world.cloud.received.length, world.store.received.length], [2, 1]);
    });

  test("for a body that was changed after it was signed: 401", async () => {
    await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
    const signature = createHmac("sha512", hmacKey).update("{}").digest("hex");
    assert.equal((await world.ask({}, signature)).status, 401);
    assert.deepEqual(world.cloud.received, []);
  });

  test("when Terraform Cloud tries the address out: 200", async () => {
    await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
    assert.equal((await world.ask({ access_token: "test-token" })).status, 200);
    await world.resultOf();
    assert.deepEqual([world.cloud.received.length, world.store.received.length], [2, 1]);
  });

  test("when the result should go to another host, whatever its URL begins with: 400", async () => {
    await using world = await startWorld({ plan: readFixture("data-keys-kept-longer") });
    const { origin, port } = new URL(world.cloud.url);
    for (const url of [
      `${world.store.url}callback`,
      `${origin}@127.0.0.2/`,
      `https://127.0.0.1:${port}/`,
      "callback",
      "",
    ])
      assert.equal((await world.ask({ task_result_callback_url: url })).status, 400, url);
    await world.resultOf();
    assert.deepEqual([world.cloud.received.length, world.store.received.length], [2, 1]);
  });
});

function start(env: Readonly<Record<string, string>>) {
  return spawnSync(process.execPath, [join(import.meta.dirname, "../docs/examples/run-task.ts")], {
    env: { PATH: process.env.PATH, RUN_TASK_PORT: "0", ...env },
    encoding: "utf8",
    timeout: 20_000,
  });
}

test("a run task does not start without its key, or with a severity that there is not", () => {
  const keyless = start({});
  assert.match(keyless.stderr, /RUN_TASK_HMAC_KEY is not set/);
  assert.equal(keyless.status, 1);
  const mistyped = start({ RUN_TASK_HMAC_KEY: hmacKey, RUN_TASK_FAIL_ON: "hihg" });
  assert.match(mistyped.stderr, /RUN_TASK_FAIL_ON is one of critical, high, medium, low, none/);
  assert.equal(mistyped.status, 1);
});
