import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { App, TerraformResource } from "cdktf";
import { z } from "zod";
import { ERROR_STATUS } from "../sdk/client/src/contract.ts";
import { type DeploymentInput, parseDeployment } from "../stacks/config.ts";
import { GatewayStack } from "../stacks/gateway-stack.ts";
import { MessagingStack } from "../stacks/messaging-stack.ts";
import { MANAGED_POLICIES, PUBLIC_STATEMENTS } from "../stacks/wildcards.ts";
import { type EmittedStack, json, readEmitted, resource, resources, synth } from "./helpers/emitted.ts";

const emitted = synth();
const dev = emitted.stack("dev-gateway");
const prod = emitted.stack("prod-gateway");

const outdir = mkdtempSync(join(tmpdir(), "fifo-gateway-app-"));
after(() => rmSync(outdir, { recursive: true }));

const valid: DeploymentInput = {
  name: "test",
  region: "ap-northeast-2",
  stage: "kimalarm",
  backend: { url: "https://backend.example/" },
  queues: [{ name: "queue-1" }],
  producers: [{ name: "alarms" }, { name: "meters" }],
};

type Gateway = NonNullable<DeploymentInput["gateway"]>;

/** The two stacks of a small deployment that differs from a valid one, as constructs. */
function declare(change: Partial<DeploymentInput>) {
  const app = new App({ outdir });
  const deployment = parseDeployment({ ...valid, ...change });
  return { app, gateway: new GatewayStack(app, deployment, new MessagingStack(app, deployment)) };
}

function emit(app: App, part: "messaging" | "gateway"): EmittedStack {
  app.synth();
  return readEmitted(outdir).stack(`test-${part}`);
}

function stacksOf(change: Partial<DeploymentInput>) {
  const { app } = declare(change);
  return { messaging: emit(app, "messaging"), gateway: emit(app, "gateway") };
}

const gatewayOf = (gateway: Gateway, change: Partial<DeploymentInput> = {}) => stacksOf({ ...change, gateway }).gateway;

const domain = { name: "fifo.kimalarm.example", zone: "kimalarm.example" };
const plain = gatewayOf({});

/** Addresses of resources, and names of outputs, that differ between two stacks. */
function differing(one: EmittedStack, other: EmittedStack): string[] {
  const [was, is] = [flat(one), flat(other)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((address) => was.get(address) !== is.get(address))
    .toSorted();
}

/** What Terraform compares, by address or output. */
const flat = ({ resource: types, output = {} }: EmittedStack) =>
  new Map(
    [...Object.entries(types), ["output", output] as const].flatMap(([type, named]) =>
      Object.entries(named).map(([name, values]) => [`${type}.${name}`, JSON.stringify(values)] as const),
    ),
  );

/** What ACM asks to be written into DNS. */
const proofOf = (attribute: string) =>
  `\${tolist(aws_acm_certificate.domain_certificate.domain_validation_options).0.${attribute}}`;

/** What API Gateway answers by itself. */
const answer = (stack: EmittedStack, type: string) => {
  const found = Object.values(resources(stack, "aws_api_gateway_gateway_response")).find(
    ({ response_type }) => response_type === type,
  );
  assert.ok(found, type);
  const templates = z.record(z.string(), z.string()).parse(found.response_templates);
  const body = z.object({ message: z.string(), code: z.string() }).parse(json(templates["application/json"]));
  return {
    ...body,
    status: Number(found.status_code),
    headers: z.record(z.string(), z.string()).parse(found.response_parameters ?? {}),
  };
};

/** Of the API and of its domain. */
const addressType = (stack: EmittedStack) =>
  [restOf(stack), resource(stack, "aws_api_gateway_domain_name", "domain_name")].map(
    ({ endpoint_configuration }) =>
      z.object({ ip_address_type: z.string() }).parse(endpoint_configuration).ip_address_type,
  );

/** The gateway of two producers, the first of which has these keys. */
const withKeys = (...keys: NonNullable<DeploymentInput["producers"][number]["keys"]>) =>
  stacksOf({ producers: [{ name: "alarms", keys }, { name: "meters" }] }).gateway;

const key = (generation: string) => `aws_api_gateway_api_key.producers_alarms_key-${generation}`;

const planKey = (generation: string) => `aws_api_gateway_usage_plan_key.producers_alarms_plan-key-${generation}`;

const current = (generation: string, producer = "alarms") => ({
  generation,
  id: `\${aws_api_gateway_api_key.producers_${producer}_key-${generation}.id}`,
});

const published = (stack: EmittedStack) =>
  JSON.stringify(resource(stack, "aws_api_gateway_deployment", "stage_deployment").triggers);

const deploymentsOf = (...changes: readonly Gateway[]) =>
  new Set(changes.map((change) => published(gatewayOf(change)))).size;

const typesOf = (stack: EmittedStack) => Object.keys(stack.resource);
const settingsOf = (stack: EmittedStack) =>
  resource(stack, "aws_api_gateway_method_settings", "stage_methods").settings;
const stageOf = (stack: EmittedStack) => resource(stack, "aws_api_gateway_stage", "stage_stage");
const restOf = (stack: EmittedStack) => resource(stack, "aws_api_gateway_rest_api", "api_rest");

test("what a configuration does not ask for is not emitted", () => {
  for (const type of typesOf(dev))
    assert.doesNotMatch(type, /acm|route53|wafv2|log_group|account|domain|mapping|policy_attachment|rest_api_policy/);
  const { access_log_settings, xray_tracing_enabled, depends_on } = stageOf(dev);
  assert.deepEqual([access_log_settings, xray_tracing_enabled, depends_on], [undefined, undefined, undefined]);
});

test("what the provider would leave as it is in AWS is said where it is off, too", () => {
  for (const [stack, off, least] of [
    [dev, false, "-1"],
    [prod, true, "1024"],
  ] as const) {
    const { disable_execute_api_endpoint, minimum_compression_size } = restOf(stack);
    assert.deepEqual([disable_execute_api_endpoint, minimum_compression_size], [off, least]);
  }
});

test("AWS's own address goes on working beside a domain for as long as the configuration says so", () => {
  const kept = gatewayOf({ domain: { ...domain, keepAwsAddress: true } });
  assert.equal(restOf(kept).disable_execute_api_endpoint, false);
  assert.deepEqual(differing(kept, gatewayOf({ domain })), [
    "aws_api_gateway_deployment.stage_deployment",
    "aws_api_gateway_rest_api.api_rest",
  ]);
});

test("only the stage looks at the deployment, so that a new one changes nothing else", () => {
  for (const stack of [dev, prod]) {
    const looking = Object.entries(stack.resource).flatMap(([type, named]) =>
      Object.entries(named)
        .filter(([, values]) => JSON.stringify(values).includes("aws_api_gateway_deployment."))
        .map(([name]) => `${type}.${name}`),
    );
    assert.deepEqual(looking, ["aws_api_gateway_stage.stage_stage"]);
  }
});

describe("the domain", () => {
  const name = resource(prod, "aws_api_gateway_domain_name", "domain_name");

  test("is regional, with TLS 1.2 or better, and has a certificate that is issued already", () => {
    assert.equal(name.domain_name, "fifo.kimalarm.example");
    assert.equal(name.security_policy, "TLS_1_2");
    assert.deepEqual(name.endpoint_configuration, { types: ["REGIONAL"], ip_address_type: "dualstack" });
    assert.equal(
      name.regional_certificate_arn,
      "${aws_acm_certificate_validation.domain_certificate-issued.certificate_arn}",
    );
    const issued = resource(prod, "aws_acm_certificate_validation", "domain_certificate-issued");
    assert.equal(issued.certificate_arn, "${aws_acm_certificate.domain_certificate.arn}");
    assert.deepEqual(issued.validation_record_fqdns, ["${aws_route53_record.domain_certificate-record.fqdn}"]);
  });

  test("keeps its old certificate until a new one is in its place", () => {
    const certificate = resource(prod, "aws_acm_certificate", "domain_certificate");
    assert.deepEqual(certificate.lifecycle, { create_before_destroy: true });
    assert.equal(certificate.validation_method, "DNS");
    // The old certificate's record has the new one's name: made before the old one is destroyed, it would go with that.
    assert.equal(resource(prod, "aws_route53_record", "domain_certificate-record").lifecycle, undefined);
  });

  test("proves itself to ACM by one record, whose texts only AWS knows", () => {
    const proof = resource(prod, "aws_route53_record", "domain_certificate-record");
    assert.equal(proof.name, proofOf("resource_record_name"));
    assert.equal(proof.type, proofOf("resource_record_type"));
    assert.deepEqual(proof.records, [proofOf("resource_record_value")]);
    assert.equal(proof.allow_overwrite, true);
    for (const record of Object.values(resources(prod, "aws_route53_record"))) {
      assert.equal(record.for_each, undefined);
      assert.equal(record.zone_id, "${data.aws_route53_zone.domain_zone.zone_id}");
    }
    assert.deepEqual(prod.data?.aws_route53_zone?.["domain_zone"]?.name, "kimalarm.example");
    assert.deepEqual(prod.data?.aws_route53_zone?.["domain_zone"]?.private_zone, false);
  });

  test("is found by IPv4 and IPv6, and takes no record over that somebody else made", () => {
    for (const type of ["A", "AAAA"]) {
      const record = resource(prod, "aws_route53_record", `domain_record-${type.toLowerCase()}`);
      assert.equal(record.type, type);
      assert.equal(record.name, "fifo.kimalarm.example");
      assert.equal(record.allow_overwrite, undefined);
      assert.deepEqual(record.alias, {
        name: "${aws_api_gateway_domain_name.domain_name.regional_domain_name}",
        zone_id: "${aws_api_gateway_domain_name.domain_name.regional_zone_id}",
        evaluate_target_health: false,
      });
    }
  });

  test("leads to the stage as a whole, and is what producers use", () => {
    const mapping = resource(prod, "aws_api_gateway_base_path_mapping", "domain_mapping");
    assert.equal(mapping.domain_name, "${aws_api_gateway_domain_name.domain_name.domain_name}");
    assert.equal(mapping.api_id, "${aws_api_gateway_rest_api.api_rest.id}");
    assert.equal(mapping.stage_name, "${aws_api_gateway_stage.stage_stage.stage_name}");
    assert.equal(mapping.base_path, undefined);
    assert.equal(
      prod.output?.endpoint?.value,
      "https://${aws_api_gateway_base_path_mapping.domain_mapping.domain_name}",
    );
    assert.equal(dev.output?.endpoint?.value, "${aws_api_gateway_stage.stage_stage.invoke_url}");
  });

  test("may be the zone's apex", () => {
    const stack = gatewayOf({ domain: { name: "kimalarm.example", zone: "kimalarm.example" } });
    for (const type of ["a", "aaaa"]) {
      const record = resource(stack, "aws_route53_record", `domain_record-${type}`);
      assert.equal(record.name, "kimalarm.example");
      assert.ok("alias" in record && !("records" in record), "where no CNAME may stand");
    }
  });

  test("can come with its zone, which then says what its parent has to point to", () => {
    const stack = gatewayOf({ domain: { ...domain, createZone: true } });
    assert.equal(resource(stack, "aws_route53_zone", "domain_zone").name, "kimalarm.example");
    assert.equal(stack.data?.aws_route53_zone, undefined);
    for (const { zone_id } of Object.values(resources(stack, "aws_route53_record")))
      assert.equal(zone_id, "${aws_route53_zone.domain_zone.zone_id}");
    assert.deepEqual(stack.output?.zone_name_servers?.value, "${aws_route53_zone.domain_zone.name_servers}");
    assert.ok(!("zone_name_servers" in (prod.output ?? {})));
  });
});

describe("answers that API Gateway makes by itself", () => {
  test("name the stage where paths have it, and not where they do not", () => {
    assert.match(
      answer(dev, "MISSING_AUTHENTICATION_TOKEN").message,
      /POST \/<stage>\/<queue> or POST \/<stage>\/<queue>\/batch/,
    );
    assert.match(answer(prod, "MISSING_AUTHENTICATION_TOKEN").message, /POST \/<queue> or POST \/<queue>\/batch/);
    assert.doesNotMatch(JSON.stringify(resources(prod, "aws_api_gateway_gateway_response")), /stage>/);
  });

  test("tell an address that the firewall holds back to come again, so that a client keeps its messages", () => {
    const { status, code, headers } = answer(prod, "WAF_FILTERED");
    assert.equal(code, "THROTTLED");
    assert.equal(status, ERROR_STATUS.THROTTLED);
    assert.equal(headers["gatewayresponse.header.Retry-After"], "'30'");
  });

  test("tell an address that is not listed that this will not change", () => {
    const { status, code } = answer(prod, "ACCESS_DENIED");
    assert.equal(code, "FORBIDDEN");
    assert.equal(status, ERROR_STATUS.FORBIDDEN);
  });
});

describe("logs", () => {
  const { messaging, gateway: encrypted } = stacksOf({
    gateway: { accountRole: "existing", logRetentionDays: 7 },
    encryption: "customer-managed",
  });
  const own = gatewayOf({ accountRole: "own" });

  test("end, and have their groups before anything is written to them", () => {
    assert.deepEqual(
      Object.values(resources(encrypted, "aws_cloudwatch_log_group")).map(({ name, retention_in_days }) => [
        name,
        retention_in_days,
      ]),
      [
        ["/aws/apigateway/test-access", 7],
        ["API-Gateway-Execution-Logs_${aws_api_gateway_rest_api.api_rest.id}/kimalarm", 7],
      ],
    );
    const waits = z.array(z.string()).parse(stageOf(encrypted).depends_on);
    assert.deepEqual(waits, [
      "aws_cloudwatch_log_group.gateway-logs_access",
      "aws_cloudwatch_log_group.gateway-logs_execution",
    ]);
    assert.equal(
      resource(encrypted, "aws_api_gateway_method_settings", "stage_methods").stage_name,
      "${aws_api_gateway_stage.stage_stage.stage_name}",
      "errors are written only once the stage is there, i.e. after its groups",
    );
  });

  test("are encrypted with the deployment's key, which lets these groups in and no others", () => {
    for (const group of Object.values(resources(encrypted, "aws_cloudwatch_log_group")))
      assert.match(String(group.kms_key_id), /\.outputs\.encryption_key_arn\}$/);
    for (const group of Object.values(resources(own, "aws_cloudwatch_log_group")))
      assert.equal(group.kms_key_id, undefined);
    const statement = z.object({
      Sid: z.string(),
      Condition: z.object({ ArnLike: z.record(z.string(), z.unknown()) }).optional(),
    });
    const policy = z
      .object({ Statement: z.array(statement) })
      .parse(json(resource(messaging, "aws_kms_key", "encryption_key").policy));
    const letIn = z
      .array(z.string())
      .parse(
        policy.Statement.find(({ Sid }) => Sid === "EncryptLogs")?.Condition?.ArnLike[
          "kms:EncryptionContext:aws:logs:arn"
        ],
      )
      .map((arn) => new RegExp(`^${arn.replace(/.*:log-group:/, "").replaceAll("*", ".*")}$`));
    const encrypts = (name: string) => letIn.some((pattern) => pattern.test(name));
    for (const { name } of Object.values(resources(encrypted, "aws_cloudwatch_log_group")))
      assert.ok(encrypts(String(name).replace(/\$\{.*\}/, "a1b2c3d4e5")), String(name));
    assert.ok(!encrypts("API-Gateway-Execution-Logs_a1b2c3d4e5/other"));
    assert.ok(!encrypts("/aws/apigateway/other-access"));
  });

  test("need the account's role, which one deployment sets, and which may do what AWS's own policy for it says", () => {
    const { cloudwatch_role_arn, depends_on } = resource(
      own,
      "aws_api_gateway_account",
      "gateway-logs_account_setting",
    );
    assert.equal(cloudwatch_role_arn, "${aws_iam_role.gateway-logs_account_role_role.arn}");
    const [name, attachment] = Object.entries(resources(own, "aws_iam_role_policy_attachment"))[0] ?? [];
    assert.deepEqual(depends_on, [`aws_iam_role_policy_attachment.${name}`]);
    assert.equal(attachment?.policy_arn, MANAGED_POLICIES.AmazonAPIGatewayPushToCloudWatchLogs.arn);
    assert.equal(attachment.role, "${aws_iam_role.gateway-logs_account_role_role.name}");
    assert.deepEqual(
      Object.keys(resources(own, "aws_iam_role_policy")),
      ["api_send_policy"],
      "IAM takes no empty policy",
    );
    assert.ok(
      z
        .array(z.string())
        .parse(stageOf(own).depends_on)
        .includes("aws_api_gateway_account.gateway-logs_account_setting"),
    );
  });

  test("take an account's role as it is, where it has one", () => {
    for (const type of ["aws_api_gateway_account", "aws_iam_role_policy_attachment"])
      assert.ok(!typesOf(encrypted).includes(type), type);
    assert.deepEqual(Object.keys(resources(encrypted, "aws_iam_role")), ["api_send_role"]);
  });

  test("of errors hold no bodies; limits and metrics are set without logs as well", () => {
    const common = {
      metrics_enabled: true,
      data_trace_enabled: false,
      throttling_rate_limit: 10_000,
      throttling_burst_limit: 5_000,
    };
    assert.deepEqual(settingsOf(prod), { ...common, logging_level: "ERROR" });
    assert.deepEqual(settingsOf(dev), { ...common, logging_level: "OFF" });
    assert.equal(resource(prod, "aws_api_gateway_method_settings", "stage_methods").method_path, "*/*");
    const throttled = gatewayOf({ throttle: { rateLimit: 2_000, burstLimit: 3_000 } });
    assert.deepEqual(settingsOf(throttled), {
      ...common,
      logging_level: "OFF",
      throttling_rate_limit: 2_000,
      throttling_burst_limit: 3_000,
    });
  });

  test("of requests are one line of JSON, whichever values are missing", () => {
    const { destination_arn, format } = z
      .object({ destination_arn: z.string(), format: z.string() })
      .parse(stageOf(prod).access_log_settings);
    assert.equal(destination_arn, "${aws_cloudwatch_log_group.gateway-logs_access.arn}");
    assert.ok(!format.includes("\n"));
    const fields = z.record(z.string(), z.string().regex(/^\$context(\.[A-Za-z]+)+$/)).parse(JSON.parse(format));
    assert.deepEqual(
      new Set(
        Object.values(z.record(z.string(), z.string()).parse(JSON.parse(format.replace(/\$context[.A-Za-z]+/g, "-")))),
      ),
      new Set(["-"]),
    );
    assert.equal(fields.requestId, "$context.requestId", "without it API Gateway takes no format");
    assert.equal(fields.apiKeyId, "$context.identity.apiKeyId");
  });

  test("of requests hold nothing that a sender writes as it likes, no message, and no key", () => {
    const { format } = z.object({ format: z.string() }).parse(stageOf(prod).access_log_settings);
    const written = new Set(format.match(/\$context[.A-Za-z]+/g));
    for (const variable of [
      "identity.apiKey",
      "identity.userAgent",
      "path",
      "xrayTraceId",
      "error.message",
      "error.messageString",
      "error.validationErrorString",
      "integration.error",
      "waf.error",
    ])
      assert.ok(!written.has(`$context.${variable}`), variable);
  });
});

test("traces are taken where the deployment wants them", () => {
  assert.equal(stageOf(prod).xray_tracing_enabled, true);
  assert.equal(stageOf(plain).xray_tracing_enabled, undefined);
});

describe("the firewall", () => {
  const acl = resource(prod, "aws_wafv2_web_acl", "firewall_acl");
  const [rule, ...others] = z.array(z.record(z.string(), z.unknown())).parse(acl.rule);

  test("refuses an address that asks too often, and lets all else pass", () => {
    assert.deepEqual(acl.default_action, { allow: {} });
    assert.equal(acl.scope, "REGIONAL");
    assert.deepEqual(others, []);
    assert.deepEqual(rule?.action, { block: {} });
    assert.deepEqual(rule?.statement, {
      rate_based_statement: { aggregate_key_type: "IP", limit: 100_000, evaluation_window_sec: 300 },
    });
    const other = gatewayOf({ firewall: { requestsPerAddress: 500, windowSeconds: 60 } });
    assert.match(JSON.stringify(resources(other, "aws_wafv2_web_acl")), /"evaluation_window_sec":60,"limit":500/);
  });

  test("has words that WAF takes, which Terraform does not look at", () => {
    // CreateWebACL, "Description" and "Name".
    assert.match(String(acl.description), /^[\w+=:#@/\-,.][\w+=:#@/\-,.\s]+[\w+=:#@/\-,.]$/);
    for (const name of [acl.name, rule?.name]) assert.match(String(name), /^[\w-]{1,128}$/);
  });

  test("counts, and keeps no samples of requests, which would show keys", () => {
    for (const { visibility_config } of [acl, rule ?? {}]) {
      const { sampled_requests_enabled, cloudwatch_metrics_enabled } = z
        .record(z.string(), z.unknown())
        .parse(visibility_config);
      assert.equal(sampled_requests_enabled, false);
      assert.equal(cloudwatch_metrics_enabled, true);
    }
  });

  test("stands in front of the stage", () => {
    const { resource_arn, web_acl_arn } = resource(prod, "aws_wafv2_web_acl_association", "firewall_association");
    assert.equal(resource_arn, "${aws_api_gateway_stage.stage_stage.arn}");
    assert.equal(web_acl_arn, "${aws_wafv2_web_acl.firewall_acl.arn}");
  });
});

describe("a list of sources", () => {
  const ranges = ["203.0.113.0/24", "2001:db8::/32"];
  const listed = gatewayOf({ allowedSources: ranges, domain });
  const { rest_api_id, policy } = resource(listed, "aws_api_gateway_rest_api_policy", "api_sources");

  test("refuses all others, and lets everyone in that it names, by this API's own ARN", () => {
    assert.equal(rest_api_id, "${aws_api_gateway_rest_api.api_rest.id}");
    const invoke = {
      Principal: "*",
      Action: PUBLIC_STATEMENTS.InvokeApi.actions,
      // `execute-api:/*` would come back as an ARN, and be changed at every apply.
      Resource: ["${aws_api_gateway_rest_api.api_rest.execution_arn}/*"],
    };
    assert.deepEqual(json(policy), {
      Version: "2012-10-17",
      Statement: [
        { Sid: "InvokeApi", Effect: "Allow", ...invoke },
        {
          Sid: "RefuseOtherSources",
          Effect: "Deny",
          ...invoke,
          Condition: { NotIpAddress: { "aws:SourceIp": ranges } },
        },
      ],
    });
    assert.equal(restOf(listed).policy, undefined, "one place for it");
  });

  test("is published by a deployment that waits for it", () => {
    const { depends_on } = resource(listed, "aws_api_gateway_deployment", "stage_deployment");
    assert.ok(z.array(z.string()).parse(depends_on).includes("aws_api_gateway_rest_api_policy.api_sources"));
  });

  test("of IPv4 alone takes the gateway out of IPv6, by which a listed machine would come and be refused", () => {
    const ipv4 = gatewayOf({ allowedSources: ["203.0.113.0/24"], domain });
    assert.deepEqual(addressType(ipv4), ["ipv4", "ipv4"]);
    assert.ok(!("domain_record-aaaa" in resources(ipv4, "aws_route53_record")));
    for (const stack of [listed, prod]) {
      assert.deepEqual(addressType(stack), ["dualstack", "dualstack"]);
      assert.ok("domain_record-aaaa" in resources(stack, "aws_route53_record"));
    }
  });
});

describe("a key is rotated", () => {
  const old = withKeys("a");
  const both = withKeys("a", "b");
  const promoted = withKeys("b", "a");
  const disabled = withKeys("b", { generation: "a", enabled: false });
  const retired = withKeys("b");
  const idsAndValues = ["output.api_key_ids", "output.api_keys"];

  test("by adding one, which touches no other", () => {
    assert.deepEqual(differing(old, both), [key("b"), planKey("b"), ...idsAndValues]);
  });

  test("by promoting it, which only the output changes by that says which one to use", () => {
    assert.deepEqual(differing(both, promoted), ["output.current_keys"]);
    assert.deepEqual(both.output?.current_keys?.value, { alarms: current("a"), meters: current("a", "meters") });
    assert.deepEqual(promoted.output?.current_keys?.value, { alarms: current("b"), meters: current("a", "meters") });
    assert.notEqual(both.output?.current_keys?.sensitive, true);
    assert.doesNotMatch(JSON.stringify(both.output?.current_keys), /\.value/);
  });

  test("by disabling the old one, which can be taken back", () => {
    assert.deepEqual(differing(promoted, disabled), [key("a")]);
    assert.equal(resource(disabled, "aws_api_gateway_api_key", "producers_alarms_key-a").enabled, false);
  });

  test("by retiring it, which touches no other", () => {
    assert.deepEqual(differing(disabled, retired), [key("a"), planKey("a"), ...idsAndValues]);
  });

  test("within its producer's own plan", () => {
    for (const [name, { usage_plan_id }] of Object.entries(resources(both, "aws_api_gateway_usage_plan_key"))) {
      const [, producer] = name.split("_");
      assert.equal(usage_plan_id, `\${aws_api_gateway_usage_plan.producers_${producer}_plan.id}`);
    }
    assert.deepEqual(Object.keys(resources(both, "aws_api_gateway_usage_plan")).length, 2);
  });
});

describe("a new deployment is made", () => {
  for (const [what, change] of [
    ["another queue", { queues: [{ name: "queue-1" }, { name: "queue-2" }] }],
    ["preflights and headers", { gateway: { corsOrigins: ["https://app.example"] } }],
    ["compression", { gateway: { minimumCompressionBytes: 0 } }],
    ["a list of sources", { gateway: { allowedSources: ["203.0.113.0/24"] } }],
    ["a domain, with which the API's own address is switched off", { gateway: { domain } }],
  ] as const satisfies readonly (readonly [string, Partial<DeploymentInput>])[]) {
    test(`for ${what}`, () => assert.notEqual(published(stacksOf(change).gateway), published(plain)));
  }

  test("for whatever else changes of what it publishes, and for nothing else", () => {
    const { app, gateway } = declare({
      tracing: true,
      gateway: {
        accountRole: "own",
        allowedSources: ["203.0.113.0/24"],
        corsOrigins: ["https://app.example"],
        domain: { ...domain, createZone: true },
        firewall: { requestsPerAddress: 100 },
      },
    });
    const all = gateway.node.findAll().filter((construct) => construct instanceof TerraformResource);
    const one = new Map(all.map((construct) => [construct.terraformResourceType, construct]));
    const changes = (type: string, argument: string) => {
      const before = published(emit(app, "gateway"));
      one.get(type)?.addOverride(argument, "changed");
      return published(emit(app, "gateway")) !== before;
    };
    assert.deepEqual(
      [...one.keys()].filter((type) => changes(type, "anything")).toSorted(),
      [
        "gateway_response",
        "integration",
        "integration_response",
        "method",
        "method_response",
        "model",
        "request_validator",
        "resource",
        "rest_api",
        "rest_api_policy",
      ].map((type) => `aws_api_gateway_${type}`),
    );
    assert.ok(changes("aws_api_gateway_rest_api", "disable_execute_api_endpoint"));
    assert.ok(!changes("aws_api_gateway_rest_api", "description"));
    assert.ok(one.size > 25, "and the others were looked at");
  });

  test("for another list of sources, and for another least size", () => {
    assert.equal(deploymentsOf({ allowedSources: ["203.0.113.0/24"] }, { allowedSources: ["198.51.100.0/24"] }), 2);
    assert.equal(deploymentsOf({ minimumCompressionBytes: 0 }, { minimumCompressionBytes: 1 }), 2);
  });

  for (const [what, change] of [
    ["keys and plans", { producers: [{ name: "alarms", keys: ["b", "a"], rateLimit: 5 }] }],
    ["limits of all producers", { gateway: { throttle: { rateLimit: 2_000, burstLimit: 2_000 } } }],
    ["logs", { gateway: { accountRole: "own", logRetentionDays: 7 } }],
    ["a firewall", { gateway: { firewall: { requestsPerAddress: 100 } } }],
    ["traces", { tracing: true }],
    ["tags", { tags: { Team: "alarms" } }],
  ] as const satisfies readonly (readonly [string, Partial<DeploymentInput>])[]) {
    test(`not for ${what}`, () => {
      const stack = stacksOf({ producers: [{ name: "alarms" }], ...change }).gateway;
      assert.equal(published(stack), published(plain));
      assert.notDeepEqual(
        differing(plain, stack).concat(
          JSON.stringify(stack.provider) === JSON.stringify(plain.provider) ? [] : ["tags"],
        ),
        [],
      );
    });
  }

  test("not for another zone, or a zone of its own", () => {
    const one = gatewayOf({ domain });
    const other = gatewayOf({ domain: { ...domain, createZone: true } });
    assert.equal(published(one), published(other));
    assert.notDeepEqual(differing(one, other), []);
  });
});
