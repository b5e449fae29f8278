import assert from "node:assert/strict";
import { test } from "node:test";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import { argumentOf, changed, gatewayResources, madeUp, selectOne } from "./helpers/gateway-resources.ts";
import { errorOf, gatewayBefore, sqsInPlace } from "./helpers/local-gateway.ts";

const BODY = '{"MessageGroupID":"10"}';
const ACCEPTED = JSON.stringify({
  SendMessageResponse: { SendMessageResult: { MessageId: "a1", SequenceNumber: "18849496460467696128" } },
});

/** The emitted gateway on a domain of its own, as the stacks emit one. */
function onDomain(emitted: readonly EmittedResource[]): EmittedResource[] {
  const domain_name = "fifo.kimalarm.example";
  return [
    ...changed(emitted, "aws_api_gateway_rest_api", {}, { disable_execute_api_endpoint: true }),
    madeUp("aws_api_gateway_domain_name", "domain_name", {
      domain_name,
      regional_certificate_arn: "arn:aws:acm:ap-northeast-2:000000000000:certificate/1",
      security_policy: "TLS_1_2",
      endpoint_configuration: { types: ["REGIONAL"], ip_address_type: "dualstack" },
    }),
    madeUp("aws_api_gateway_base_path_mapping", "domain_mapping", {
      domain_name,
      api_id: argumentOf(selectOne(emitted, "aws_api_gateway_rest_api"), "id"),
      stage_name: argumentOf(selectOne(emitted, "aws_api_gateway_stage"), "stage_name"),
    }),
  ];
}

test("on a domain of its own the gateway has no stage in its paths, and knows none there", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const emitted = await gatewayResources();
  const stage = argumentOf(selectOne(emitted, "aws_api_gateway_stage"), "stage_name");
  const gateway = await gatewayBefore(t, { sqs, resources: onDomain(emitted) });
  assert.equal(new URL(gateway.url).pathname, "/");
  assert.doesNotMatch(gateway.url, /\/$/);
  assert.equal((await gateway.post("/queue-1", BODY)).status, 200);
  assert.equal(errorOf(await gateway.post(`/${stage}/queue-1`, BODY)).code, "ROUTE_NOT_FOUND");
  assert.equal(errorOf(await gateway.post("/", BODY)).code, "ROUTE_NOT_FOUND");
});

test("a domain is what the local address stands for, also while AWS's own goes on working", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const kept = { disable_execute_api_endpoint: false };
  const resources = changed(onDomain(await gatewayResources()), "aws_api_gateway_rest_api", {}, kept);
  const gateway = await gatewayBefore(t, { sqs, resources });
  assert.equal(new URL(gateway.url).pathname, "/");
  assert.equal((await gateway.post("/queue-1", BODY)).status, 200);
});

test("without one its paths begin with the stage", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const gateway = await gatewayBefore(t, { sqs });
  const { origin, pathname } = new URL(gateway.url);
  assert.equal(pathname, `/${argumentOf(selectOne(await gatewayResources(), "aws_api_gateway_stage"), "stage_name")}`);
  const answer = await fetch(`${origin}/queue-1`, {
    method: "POST",
    headers: { "x-api-key": gateway.key },
    body: BODY,
  });
  assert.equal(answer.status, 404);
});

/** What is emitted, on a domain, with something changed that the gateway must not start with. */
const refused: readonly [
  what: string,
  change: (resources: EmittedResource[]) => readonly EmittedResource[],
  says: RegExp,
][] = [
  [
    "a domain that nothing maps to the stage",
    (resources) => resources.filter(({ type }) => type !== "aws_api_gateway_base_path_mapping"),
    /aws_api_gateway_rest_api\..*disable_execute_api_endpoint: true, and there is no aws_api_gateway_base_path_mapping/,
  ],
  [
    "a mapping of another domain",
    (resources) => changed(resources, "aws_api_gateway_base_path_mapping", {}, { domain_name: "other.example" }),
    /domain_name: other\.example leads to no resource/,
  ],
  [
    "a mapping to another API",
    (resources) => changed(resources, "aws_api_gateway_base_path_mapping", {}, { api_id: "other" }),
    /api_id: other leads to no resource/,
  ],
  [
    "a mapping to another stage",
    (resources) => changed(resources, "aws_api_gateway_base_path_mapping", {}, { stage_name: "other" }),
    /stage_name: other leads to no resource/,
  ],
  [
    "a mapping of a part of the domain",
    (resources) => changed(resources, "aws_api_gateway_base_path_mapping", {}, { base_path: "v1" }),
    /base_path: only the domain as a whole/,
  ],
  [
    "two mappings",
    (resources) => [
      ...resources,
      { ...selectOne(resources, "aws_api_gateway_base_path_mapping"), address: "test/another" },
    ],
    /test\/another: the local gateway runs one mapping/,
  ],
  [
    "a domain with an old TLS",
    (resources) => changed(resources, "aws_api_gateway_domain_name", {}, { security_policy: "TLS_1_0" }),
    /security_policy/,
  ],
];

for (const [what, change, says] of refused) {
  test(`does not start with ${what}`, async (t) => {
    const resources = change(onDomain(await gatewayResources()));
    await assert.rejects(gatewayBefore(t, { sqs: "http://127.0.0.1:1", resources }), says);
  });
}
