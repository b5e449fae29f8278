import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { startGateway } from "../runtime/local/gateway/server.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import { API_KEY_HEADER, type ErrorCode } from "../sdk/client/src/contract.ts";
import { gatewayForBrowsers, resourcesForBrowsers } from "./helpers/browser-gateway.ts";
import { ACCOUNT_ID, argumentOf, changed, madeUp, NOWHERE, REGION, selectOne } from "./helpers/gateway-resources.ts";
import {
  type Answered,
  errorOf,
  folder,
  gatewayBefore,
  type RunningGateway,
  sqsInPlace,
} from "./helpers/local-gateway.ts";

const APP = "https://app.kimalarm.example";
const CONSOLE = "https://console.kimalarm.example:8443";
const LOCAL = "http://localhost:5173";
const FOREIGN = "https://foreign.example";
/** Begins, or ends, as an allowed one does. */
const LOOKALIKES = [`${APP}.foreign.example`, `${APP}:8443`, "http://app.kimalarm.example", APP.toUpperCase(), "null"];

const SEVERAL = [APP, CONSOLE, LOCAL];
const BODY = '{"MessageGroupID":"10"}';
const BATCH = JSON.stringify({ entries: [{ id: "a", groupId: "10", body: BODY }] });
const PATHS = ["/queue-1", "/queue-1/batch", "/queue-2", "/queue-2/batch"];

/** What a browser asks before the client's POST. */
function preflight(gateway: RunningGateway, path: string, origin: string, name = "Origin"): Promise<Answered> {
  return gateway.post(path, "", {
    method: "OPTIONS",
    headers: {
      [API_KEY_HEADER]: undefined,
      "content-type": undefined,
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "content-type,idempotency-key,traceparent,x-api-key",
      [name]: origin,
    },
  });
}

function post(gateway: RunningGateway, path: string, body: string, origin: string, headers = {}): Promise<Answered> {
  return gateway.post(path, body, { headers: { Origin: origin, ...headers } });
}

/** The CORS check of the Fetch standard, for a request without credentials. */
function readable({ headers }: Answered, origin: string): boolean {
  const allowed = headers["access-control-allow-origin"];
  return allowed === "*" || allowed === origin;
}

const list = (value: unknown) => String(value).split(/, */);

/** Whether a browser would send the POST after this answer. */
function letsPass(answer: Answered, origin: string): boolean {
  const { status, headers } = answer;
  const names = list(headers["access-control-allow-headers"]);
  return (
    status >= 200 &&
    status <= 299 &&
    readable(answer, origin) &&
    list(headers["access-control-allow-methods"]).includes("POST") &&
    ["content-type", "idempotency-key", "traceparent", "x-api-key"].every((name) => names.includes(name))
  );
}

/** Usage plans with so many requests at once, and a month; none comes back within a test. */
function limited({ burst, quota }: { readonly burst: number; readonly quota: number }) {
  return (emitted: readonly EmittedResource[]) =>
    changed(
      emitted,
      "aws_api_gateway_usage_plan",
      {},
      {
        throttle_settings: { rate_limit: 0.001, burst_limit: burst },
        quota_settings: { limit: quota, period: "MONTH" },
      },
    );
}

/** Sends as a browser does, and fails where it would hide the answer from the page. */
async function fromPage(gateway: RunningGateway, path: string, body: string, origin: string, headers = {}) {
  assert(letsPass(await preflight(gateway, path, origin), origin), `${path}: the preflight fails`);
  const answer = await post(gateway, path, body, origin, headers);
  assert(readable(answer, origin), `${path}: the page cannot read the ${answer.status}`);
  assert.deepEqual(list(answer.headers["access-control-expose-headers"]), ["retry-after", "x-amzn-requestid", "date"]);
  assert(answer.headers["x-amzn-requestid"] !== undefined && answer.headers.date !== undefined);
  return answer;
}

describe("a preflight", () => {
  for (const path of PATHS) {
    test(`of ${path} is answered in full without a key, and without a body`, async (t) => {
      const gateway = await gatewayForBrowsers(t, [APP]);
      const { status, headers, text } = await preflight(gateway, path, APP);
      assert.deepEqual([status, text, headers["content-length"]], [204, "", undefined]);
      const cors = Object.entries(headers).filter(([name]) => /^access-control-|^vary$/.test(name));
      assert.deepEqual(Object.fromEntries(cors), {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type, x-api-key, idempotency-key, traceparent",
        "access-control-max-age": "7200",
        vary: "origin",
      });
    });
  }

  test("from a foreign origin names the one that is allowed, where there is one", async (t) => {
    const gateway = await gatewayForBrowsers(t, [APP]);
    for (const origin of [FOREIGN, ...LOOKALIKES]) {
      const answer = await preflight(gateway, "/queue-1", origin);
      assert.equal(answer.headers["access-control-allow-origin"], APP);
      assert(!letsPass(answer, origin), origin);
    }
  });

  test("from each of several origins names just that one, whichever case the header has", async (t) => {
    const gateway = await gatewayForBrowsers(t, SEVERAL);
    for (const origin of SEVERAL) {
      for (const name of ["Origin", "origin"]) {
        const answer = await preflight(gateway, "/queue-1/batch", origin, name);
        assert.equal(answer.headers["access-control-allow-origin"], origin);
        assert.equal(answer.headers.vary, "origin");
        assert(letsPass(answer, origin), origin);
      }
    }
  });

  test("from a foreign origin names none of several", async (t) => {
    const gateway = await gatewayForBrowsers(t, SEVERAL);
    for (const origin of [FOREIGN, ...LOOKALIKES, SEVERAL.join(", "), ""]) {
      const answer = await preflight(gateway, "/queue-1", origin);
      assert.equal(answer.status, 204);
      assert.equal(answer.headers["access-control-allow-origin"], undefined, origin);
      assert.equal(answer.headers.vary, "origin");
    }
  });

  test('from any origin passes where "*" is allowed', async (t) => {
    const gateway = await gatewayForBrowsers(t, ["*"]);
    for (const origin of [APP, FOREIGN, "null"]) {
      const answer = await preflight(gateway, "/queue-1", origin);
      assert.equal(answer.headers["access-control-allow-origin"], "*");
      assert.equal(answer.headers.vary, undefined);
      assert(letsPass(answer, origin));
    }
  });

  test("takes nothing of a key's limits, even with the key", async (t) => {
    const gateway = await gatewayForBrowsers(t, [APP], limited({ burst: 1, quota: 1 }));
    for (let asked = 0; asked < 5; asked += 1) {
      assert.equal((await gateway.post("/queue-1", "", { method: "OPTIONS", headers: { Origin: APP } })).status, 204);
    }
    assert.equal((await fromPage(gateway, "/queue-1", BODY, APP)).status, 200);
  });
});

for (const [what, origins, origin] of [
  ["the one origin", [APP], APP],
  ["the second of several origins", SEVERAL, CONSOLE],
  ['any origin where "*" is allowed', ["*"], FOREIGN],
] as const) {
  describe(`a page of ${what} can read`, () => {
    test("the 200 of a message and of a batch", async (t) => {
      const gateway = await gatewayForBrowsers(t, origins);
      const single = await fromPage(gateway, "/queue-1", BODY, origin);
      assert.equal(single.status, 200);
      assert.deepEqual(Object.keys(JSON.parse(single.text)), ["messageId", "sequenceNumber"]);
      const batch = await fromPage(gateway, "/queue-1/batch", BATCH, origin);
      assert.equal(batch.status, 200);
      assert.equal(JSON.parse(batch.text).successful.length, 1);
    });

    test("what the gateway refuses by itself: 400, 403, 404, 413, 415", async (t) => {
      const gateway = await gatewayForBrowsers(t, origins);
      const refused: readonly (readonly [code: ErrorCode, path: string, body: string, headers?: object])[] = [
        ["INVALID_BODY", "/queue-1", "[]"],
        ["INVALID_BODY", "/queue-1/batch", "no JSON"],
        ["FORBIDDEN", "/queue-1", BODY, { [API_KEY_HEADER]: undefined }],
        ["FORBIDDEN", "/queue-2/batch", BATCH, { [API_KEY_HEADER]: "no-key" }],
        ["ROUTE_NOT_FOUND", "/queue-3", BODY],
        ["ROUTE_NOT_FOUND", "/queue-3/batch", BATCH],
        ["ROUTE_NOT_FOUND", "/queue-1/batch/more", BATCH],
        ["MESSAGE_TOO_LARGE", "/queue-1", " ".repeat(10_485_761)],
        ["UNSUPPORTED_MEDIA_TYPE", "/queue-1", BODY, { "content-type": "text/plain" }],
      ];
      for (const [code, path, body, headers] of refused) {
        assert.equal(errorOf(await fromPage(gateway, path, body, origin, headers)).code, code, path);
      }
    });

    test("what the queue refuses: a status that the template sets, and one that it does not", async (t) => {
      const gateway = await gatewayForBrowsers(t, origins);
      const key = await fromPage(gateway, "/queue-1", BODY, origin, { "idempotency-key": "a b" });
      assert.equal(errorOf(key).code, "INVALID_PARAMETER");
      const large = JSON.stringify({ MessageGroupID: "10", text: "x".repeat(1_100_000) });
      assert.equal(errorOf(await fromPage(gateway, "/queue-1", large, origin)).code, "MESSAGE_TOO_LARGE");
    });

    test("a 429 with its Retry-After, of the throttle and of the quota", async (t) => {
      const throttled = await gatewayForBrowsers(t, origins, limited({ burst: 1, quota: 100 }));
      await fromPage(throttled, "/queue-1", BODY, origin);
      const answer = await fromPage(throttled, "/queue-1", BODY, origin);
      assert.equal(errorOf(answer).code, "THROTTLED");
      assert.equal(answer.headers["retry-after"], "1");
      const spent = await gatewayForBrowsers(t, origins, limited({ burst: 100, quota: 1 }));
      await fromPage(spent, "/queue-1", BODY, origin);
      assert.equal(errorOf(await fromPage(spent, "/queue-1", BODY, origin)).code, "QUOTA_EXCEEDED");
    });

    test("that the queue failed: 502, and what the gateway makes of no answer at all", async (t) => {
      const sqs = await sqsInPlace(t, (request, response) => {
        request.resume().on("end", () => response.writeHead(503).end("{}"));
      });
      const failing = await gatewayBefore(t, { sqs, resources: await resourcesForBrowsers(origins, sqs) });
      assert.equal(errorOf(await fromPage(failing, "/queue-1", BODY, origin)).code, "QUEUE_ERROR");
      const alone = await gatewayBefore(t, { sqs: NOWHERE, resources: await resourcesForBrowsers(origins) });
      assert.equal(errorOf(await fromPage(alone, "/queue-1/batch", BATCH, origin)).code, "QUEUE_ERROR");
    });
  });
}

describe("a page of a foreign origin", () => {
  for (const origins of [[APP], SEVERAL]) {
    test(`cannot read an answer to a message, with ${origins.length} allowed`, async (t) => {
      const gateway = await gatewayForBrowsers(t, origins);
      for (const origin of [FOREIGN, ...LOOKALIKES]) {
        for (const [path, body] of [
          ["/queue-1", BODY],
          ["/queue-1/batch", BATCH],
        ] as const) {
          const answer = await post(gateway, path, body, origin);
          assert.equal(answer.status, 200);
          assert(!readable(answer, origin), `${path} ${origin}`);
        }
      }
    });

    test(`is let through to no path, known or not, with ${origins.length} allowed`, async (t) => {
      const gateway = await gatewayForBrowsers(t, origins);
      for (const path of [...PATHS, "/queue-3", "/queue-3/batch"]) {
        assert(!letsPass(await preflight(gateway, path, FOREIGN), FOREIGN), path);
      }
    });
  }
});

test("a sender that is no browser gets the same answers as without the setting", async (t) => {
  const gateway = await gatewayForBrowsers(t, SEVERAL);
  const taken = await gateway.post("/queue-1", BODY);
  assert.equal(taken.status, 200);
  assert.equal(taken.headers["access-control-allow-origin"], undefined);
  assert.equal(errorOf(await gateway.post("/queue-1", "[]")).code, "INVALID_BODY");
  for (const method of ["GET", "PUT", "DELETE"]) {
    assert.equal(errorOf(await gateway.post("/queue-1", "", { method })).code, "ROUTE_NOT_FOUND", method);
    assert.equal(errorOf(await gateway.post("/queue-3", "", { method })).code, "ROUTE_NOT_FOUND", method);
  }
});

test("without the setting, OPTIONS is no route, and no answer is for browsers", async (t) => {
  const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources: await resourcesForBrowsers([]) });
  for (const path of [...PATHS, "/queue-3"]) {
    const answer = await preflight(gateway, path, APP);
    assert.equal(errorOf(answer).code, "ROUTE_NOT_FOUND");
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
  }
});

/** Nothing starts with what is emitted for one origin, once it was changed. */
async function assertRefused(
  t: TestContext,
  change: (emitted: readonly EmittedResource[]) => EmittedResource[],
  says: RegExp,
): Promise<void> {
  const resources = change(await resourcesForBrowsers([APP]));
  const place = { endpoints: { sqs: NOWHERE }, region: REGION, accountId: ACCOUNT_ID };
  const starting = startGateway({ resources, file: `${folder(t)}/gateway.sqlite`, ...place });
  await assert.rejects(
    starting.then((gateway) => gateway.close()),
    says,
  );
}

describe("local mode refuses what API Gateway would refuse, or what it does not know", () => {
  const options = { path: "/queue-1", http_method: "OPTIONS" };

  test("a header that the method response does not declare", (t) =>
    assertRefused(
      t,
      (emitted) => changed(emitted, "aws_api_gateway_method_response", options, { response_parameters: {} }),
      /integration_response\.queue-1_send_preflight_answer-204: response_parameters: the method response of 204 does not declare Access-Control-Allow-/,
    ));

  test("a method response that declares what is no header", (t) =>
    assertRefused(
      t,
      (emitted) =>
        changed(emitted, "aws_api_gateway_method_response", options, { response_parameters: { Vary: true } }),
      /preflight_response-204: response_parameters: only method\.response\.header/,
    ));

  test("a mock with what only a call has", (t) =>
    assertRefused(
      t,
      (emitted) => changed(emitted, "aws_api_gateway_integration", options, { uri: "arn:aws:x" }),
      /queue-1_send_preflight_integration: .*uri/,
    ));

  test("an integration that is neither a call to AWS nor a mock", (t) =>
    assertRefused(
      t,
      (emitted) => changed(emitted, "aws_api_gateway_integration", options, { type: "HTTP" }),
      /queue-1_send_preflight_integration: type: only AWS service integrations and MOCK run here/,
    ));

  test("a path parameter that is not greedy", (t) =>
    assertRefused(
      t,
      (emitted) => changed(emitted, "aws_api_gateway_resource", { path_part: "{path+}" }, { path_part: "{path}" }),
      /path_part: only fixed path parts and \{greedy\+\} run here/,
    ));

  test("a mock whose template renders no status: a 500, when it is called", async (t) => {
    for (const template of ["{}", '{"statusCode":"204"}', "204", ""]) {
      const resources = changed(await resourcesForBrowsers([APP]), "aws_api_gateway_integration", options, {
        request_templates: { "application/json": template },
      });
      const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources });
      assert.equal(errorOf(await preflight(gateway, "/queue-1", APP)).code, "GATEWAY_ERROR", template);
      assert.match(JSON.stringify(gateway.logged), /preflight_integration: request_templates: must render/);
    }
  });
});

test("of two greedy paths the longer one answers, and neither for its own root", async (t) => {
  const emitted = await resourcesForBrowsers([APP]);
  const queue = selectOne(emitted, "aws_api_gateway_resource", { path_part: "queue-1" });
  const rest_api_id = argumentOf(queue, "rest_api_id");
  const at = { rest_api_id, resource_id: "deep", http_method: "OPTIONS" };
  const resources = [
    ...emitted,
    madeUp("aws_api_gateway_resource", "deep", {
      id: "deep",
      rest_api_id,
      parent_id: argumentOf(queue, "id"),
      path_part: "{rest+}",
    }),
    madeUp("aws_api_gateway_method", "deep", { ...at, authorization: "NONE" }),
    madeUp("aws_api_gateway_integration", "deep", {
      ...at,
      type: "MOCK",
      passthrough_behavior: "NEVER",
      request_templates: { "application/json": '{"statusCode":200}' },
    }),
    madeUp("aws_api_gateway_method_response", "deep", { ...at, status_code: "200" }),
    madeUp("aws_api_gateway_integration_response", "deep", {
      ...at,
      status_code: "200",
      response_templates: { "application/json": "$input.params('rest')" },
    }),
  ];
  const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources });
  const answers = await Promise.all(
    ["/queue-1/a/b", "/queue-1", "/queue-9", "/"].map((path) => preflight(gateway, path, APP)),
  );
  assert.deepEqual(
    answers.map(({ status, text }) => [status, status === 404 ? "" : text]),
    [
      [200, "a/b"],
      [204, ""],
      [204, ""],
      [404, ""],
    ],
  );
});
