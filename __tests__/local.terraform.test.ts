import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { TerraformError, type TerraformErrorCode } from "../runtime/local/terraform/error.ts";
import { evaluate } from "../runtime/local/terraform/evaluate.ts";
import { readDeployment } from "../runtime/local/terraform/read-deployment.ts";
import { parseTemplate } from "../runtime/local/terraform/syntax.ts";

const value = (text: string): unknown =>
  evaluate(parseTemplate(text), (names) => {
    if (names[0] === "local" && names[1] === "tree") return { value: { list: [{ name: "first" }], "a b": 1 }, used: 2 };
    throw new TerraformError("unknown-reference", names.join("."));
  });
const fails = (code: TerraformErrorCode, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof TerraformError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, pattern);
  return true;
};

const EXPRESSIONS: readonly (readonly [string, unknown])[] = [
  ["plain", "plain"],
  ["", ""],
  ["$${not.one} and %%{ not } $ % { }", "${not.one} and %{ not } $ % { }"],
  ["${1 + 2 * 3}", 7],
  ["${(1 + 2) * 3}", 9],
  ["${-4 % 3 == -1 && !false}", true],
  ['${2 >= 3 ? "yes" : "no"}', "no"],
  ['${"a" != "b" || false}', true],
  ["n=${10}, ${true}", "n=10, true"],
  ['${"inner ${"deep ${1}"} \\"quoted\\" \\u00e9 $${x}"}', 'inner deep 1 "quoted" é ${x}'],
  ["${[1, 2, [3]]}", [1, 2, [3]]],
  ['${{"a" = 1, b: [2], (join("", ["c", "d"])) = null}}', { a: 1, b: [2], cd: null }],
  ["${local.tree.list[0].name}", "first"],
  ["${local.tree.list.0.name}", "first"],
  ['${local.tree["a b"]}', 1],
  ["${(local.tree).list[1 - 1].name}", "first"],
  ['${jsonencode({"b" = "<&>", "a" = [1, null]})}', '{"a":[1,null],"b":"\\u003c\\u0026\\u003e"}'],
  ['${sha1("x")}', createHash("sha1").update("x").digest("hex")],
  ['${base64sha256("x")}', createHash("sha256").update("x").digest("base64")],
  ["${ /* why */ 1 # end\n}", 1],
  ["${tolist(local.tree.list)[0].name}", "first"],
  ["${one(local.tree.list).name}", "first"],
  ["${one([])}", null],
  ['${element(["a", "b", "c"], 1)}${element(["a", "b", "c"], 4)}${element(["a", "b", "c"], -1)}', "bbc"],
  ['${length([1, 2])}${length({ "a" = 1 })}${length("\u00e9👪")}', "212"],
  ['${trimsuffix("a.example.", ".")}${trimsuffix(".b", ".")}', "a.example.b"],
];

for (const [text, expected] of EXPRESSIONS) {
  test(`evaluates ${text || "an empty string"}`, () => {
    assert.deepEqual(value(text), expected);
  });
}

const REFUSED: readonly (readonly [string, TerraformErrorCode, RegExp])[] = [
  ["${timestamp()}", "unknown-function", /timestamp\(\)/],
  ["${[for x in local.tree : x]}", "invalid-expression", /for expression/],
  ["${local.tree.list[*].name}", "invalid-expression", /splat/],
  ["%{ if true }x%{ endif }", "invalid-expression", /directive/],
  ["${local.tree.missing}", "unknown-reference", /local\.tree\.missing/],
  ["${local.tree.list[3]}", "unknown-reference", /\[3\]/],
  ["${1 +}", "invalid-expression", /character/],
  ["${1", "invalid-expression", /no }/],
  ['${"never ends}', "invalid-expression", /never ends/],
  ["${one([1, 2])}", "invalid-expression", /one\(\) of a list of 2/],
  ["${element([], 0)}", "invalid-expression", /empty list/],
  ["${tolist(1)}", "invalid-expression", /a list is needed/],
  ["a list: ${[1]}", "invalid-expression", /a string is needed, not a list/],
];

for (const [text, code, pattern] of REFUSED) {
  test(`refuses ${text}, and says why`, () => {
    assert.throws(() => value(text), fails(code, pattern));
  });
}

test("resolves references inside a stack, across stacks, and what AWS would compute", async (t) => {
  const deployment = await read(t, {
    "dev-messaging": {
      ...stack("dev-messaging"),
      resource: { aws_sqs_queue: { main: { name: "${var.prefix}-main.fifo", fifo_queue: true } } },
      variable: { prefix: { default: "dev" }, backend_url: { default: "http://unused/" } },
      output: { arn: { value: "${aws_sqs_queue.main.arn}" } },
    },
    "dev-delivery": {
      ...stack("dev-delivery"),
      data: {
        aws_caller_identity: { me: {} },
        terraform_remote_state: {
          "input-one": { backend: "local", config: { path: "../../../dev-messaging.tfstate" } },
        },
      },
      locals: { account: "${data.aws_caller_identity.me.account_id}" },
      variable: { backend_url: { type: "string" } },
      resource: {
        aws_iam_role: {
          role: {
            name: "role-${local.account}",
            assume_role_policy: "{}",
            depends_on: ["aws_sqs_queue.nothing"],
            tags: { "${var.backend_url}": ["${data.terraform_remote_state.input-one.outputs.arn}"] },
          },
        },
      },
    },
  });
  assert.equal(deployment.region, "ap-northeast-2");
  // Stacks in the order of their names.
  const [role, queue] = deployment.resources;
  assert.equal(queue?.address, "dev-messaging/aws_sqs_queue.main");
  assert.equal(queue?.values["url"], "http://127.0.0.1:1/000000000000/dev-main.fifo");
  assert.equal(role?.values["arn"], "arn:aws:iam::000000000000:role/role-000000000000");
  assert.deepEqual(role?.values["tags"], {
    "http://backend/": ["arn:aws:sqs:ap-northeast-2:000000000000:dev-main.fifo"],
  });
  assert.equal("depends_on" in (role?.values ?? {}), false);
});

test("builds a nested route's path and keeps a key's value", async (t) => {
  const { resources } = await read(t, {
    "dev-gateway": {
      ...stack("dev-gateway"),
      variable: { backend_url: {} },
      resource: {
        aws_api_gateway_rest_api: { api: { name: "api" } },
        aws_api_gateway_resource: {
          batch: route("${aws_api_gateway_resource.queue.id}", "batch"),
          queue: route("${aws_api_gateway_rest_api.api.root_resource_id}", "queue-1"),
        },
        aws_api_gateway_api_key: { key: { name: "producer" } },
      },
    },
  });
  assert.equal(resources.find(({ name }) => name === "batch")?.values["path"], "/queue-1/batch");
  assert.equal(resources.find(({ name }) => name === "key")?.values["value"], "value of producer");
});

test("knows a schedule's rule, its target, and what lets the rule invoke a function", async (t) => {
  const { resources, ignored } = await read(t, {
    "dev-delivery": {
      ...stack("dev-delivery"),
      variable: { backend_url: {} },
      resource: {
        aws_cloudwatch_event_rule: { five: { name: "five", schedule_expression: "rate(5 minutes)" } },
        aws_cloudwatch_event_target: {
          five: {
            rule: "${aws_cloudwatch_event_rule.five.name}",
            target_id: "counter",
            arn: "${aws_lambda_function.counter.arn}",
            input: "{}",
          },
        },
        aws_lambda_function: { counter: { function_name: "counter" } },
        aws_lambda_permission: {
          five: { statement_id: "Five", source_arn: "${aws_cloudwatch_event_rule.five.arn}" },
        },
        aws_cloudwatch_log_metric_filter: { counted: { name: "counted" } },
      },
    },
  });
  const values = (type: string) => resources.find((resource) => resource.type === type)?.values;
  assert.deepEqual(values("aws_cloudwatch_event_target"), {
    rule: "five",
    target_id: "counter",
    arn: "arn:aws:lambda:ap-northeast-2:000000000000:function:counter",
    input: "{}",
    id: "five-counter",
  });
  assert.equal(values("aws_lambda_permission")?.["source_arn"], "arn:aws:events:ap-northeast-2:000000000000:rule/five");
  assert.deepEqual(
    ignored.map(({ types }) => types),
    [["aws_lambda_permission"], ["aws_cloudwatch_log_metric_filter"]],
    "what is read and not run says why",
  );
});

test("follows a state to the workspace of Terraform Cloud that has it, by host, organization and name", async (t) => {
  const place = { organization: "kimalarm", hostname: "app.terraform.io" };
  const kept = (name: string) => ({
    ...stack(name),
    terraform: { cloud: { ...place, workspaces: { name: `fifo-${name}`, project: "fifo" } } },
  });
  const reading = (state: Readonly<Record<string, unknown>>) =>
    read(t, {
      "dev-messaging": {
        ...kept("dev-messaging"),
        resource: queueNamed("dev-main.fifo"),
        output: { q_url: { value: "${aws_sqs_queue.q.url}" } },
      },
      "dev-delivery": {
        ...kept("dev-delivery"),
        variable: { backend_url: {} },
        data: { terraform_remote_state: { messaging: state } },
        resource: queueNamed("${data.terraform_remote_state.messaging.outputs.q_url}"),
      },
    });
  const named = { workspaces: { name: "fifo-dev-messaging" } };
  for (const config of [
    { ...place, ...named },
    { organization: "kimalarm", ...named },
  ]) {
    const { resources } = await reading({ backend: "remote", config });
    assert.equal(resources[0]?.values["name"], "http://127.0.0.1:1/000000000000/dev-main.fifo");
  }
  for (const config of [
    { ...place, ...named, organization: "other" },
    { ...place, ...named, hostname: "tfe.kimalarm.example" },
    { ...place, workspaces: { name: "dev-messaging" } },
  ]) {
    await assert.rejects(
      reading({ backend: "remote", config }),
      fails("unknown-reference", /state\.messaging: no stack keeps its state in the workspace .+ of \w+ at [\w.]+$/),
    );
  }
  for (const state of [
    { backend: "remote", config: { ...place, workspaces: { prefix: "fifo-" } } },
    { backend: "s3", config: {} },
  ]) {
    await assert.rejects(reading(state), fails("unknown-argument", /state\.messaging: local mode follows the backend/));
  }
});

/** A production deployment's resources, and what a reference to each of them says. */
const REFERENCES: readonly (readonly [string, unknown])[] = [
  [
    "${aws_kms_key.key.arn}",
    /^arn:aws:kms:ap-northeast-2:000000000000:key\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  ],
  ["${aws_kms_alias.alias.target_key_arn == aws_kms_key.key.arn}", true],
  ["${aws_kms_alias.alias.arn}", "arn:aws:kms:ap-northeast-2:000000000000:alias/prod"],
  ["${aws_vpc.network.id}", /^vpc-[0-9a-f]{17}$/],
  ["${aws_subnet.one.id == aws_subnet.two.id}", false],
  ["${aws_subnet.one.arn}", /^arn:aws:ec2:ap-northeast-2:000000000000:subnet\/subnet-[0-9a-f]{17}$/],
  ["${aws_security_group.consumer.id}", /^sg-[0-9a-f]{17}$/],
  ["${aws_vpc_security_group_egress_rule.out.security_group_rule_id}", /^sgr-/],
  ["${aws_vpc_endpoint.sqs.dns_entry[0].dns_name}", /^vpce-.*\.sqs\.ap-northeast-2\.vpce\.amazonaws\.com$/],
  ["${aws_instance.server.private_ip}", "10.42.0.10"],
  ["${aws_instance.server.user_data}", '#!/bin/sh\necho "${HOME}"'],
  ["${aws_iam_instance_profile.server.arn}", "arn:aws:iam::000000000000:instance-profile/prod-server"],
  ["${data.aws_ssm_parameter.image.insecure_value}", /^ami-[0-9a-f]{17}$/],
  ["${data.aws_ec2_managed_prefix_list.s3.id}", /^pl-[0-9a-f]{17}$/],
  ["${data.aws_route53_zone.zone.zone_id}", /^Z[0-9A-Z]{10}$/],
  ["${data.aws_route53_zone.zone.name}", "kimalarm.example"],
  ["${aws_acm_certificate.gateway.arn}", /^arn:aws:acm:ap-northeast-2:000000000000:certificate\/[0-9a-f-]{36}$/],
  [
    "${tolist(aws_acm_certificate.gateway.domain_validation_options)[0].resource_record_name}",
    /^_[0-9a-f]{32}\.fifo\.kimalarm\.example\.$/,
  ],
  ["${length(aws_acm_certificate.gateway.domain_validation_options)}", 2],
  ["${aws_route53_record.validation.fqdn == aws_route53_record.validation.name}", true],
  ["${aws_acm_certificate_validation.gateway.certificate_arn == aws_acm_certificate.gateway.arn}", true],
  [
    "${aws_api_gateway_domain_name.gateway.regional_domain_name}",
    /^d-[0-9a-z]{10}\.execute-api\.ap-northeast-2\.amazonaws\.com$/,
  ],
  ["${aws_route53_zone.own.name_servers[0] == aws_route53_zone.own.primary_name_server}", true],
  [
    "${aws_wafv2_web_acl.firewall.arn}",
    /^arn:aws:wafv2:ap-northeast-2:000000000000:regional\/webacl\/prod\/[0-9a-f-]{36}$/,
  ],
  ["${aws_sns_topic.alarms.arn}", "arn:aws:sns:ap-northeast-2:000000000000:prod-alarms"],
  ["${aws_sns_topic_subscription.mail.arn}", /^arn:aws:sns:ap-northeast-2:000000000000:prod-alarms:[0-9a-f-]{36}$/],
  ["${aws_cloudwatch_metric_alarm.backlog.arn}", "arn:aws:cloudwatch:ap-northeast-2:000000000000:alarm:prod-backlog"],
  ["${aws_cloudwatch_dashboard.path.dashboard_arn}", "arn:aws:cloudwatch::000000000000:dashboard/prod"],
];

test("knows what a production deployment's resources say of themselves, and why none of them is run", async (t) => {
  const { resources, ignored } = await read(t, {
    "dev-operations": {
      ...stack("dev-operations"),
      variable: { backend_url: {} },
      data: {
        aws_ssm_parameter: { image: { name: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64" } },
        aws_ec2_managed_prefix_list: { s3: { name: "com.amazonaws.ap-northeast-2.s3" } },
        aws_route53_zone: { zone: { name: "kimalarm.example", private_zone: false } },
      },
      resource: {
        aws_kms_key: { key: {} },
        aws_kms_alias: { alias: { name: "alias/prod", target_key_id: "${aws_kms_key.key.key_id}" } },
        aws_vpc: { network: { cidr_block: "10.42.0.0/24" } },
        aws_subnet: { one: { vpc_id: "${aws_vpc.network.id}" }, two: { vpc_id: "${aws_vpc.network.id}" } },
        aws_security_group: { consumer: { name: "prod-consumer", vpc_id: "${aws_vpc.network.id}" } },
        aws_vpc_security_group_egress_rule: {
          out: { prefix_list_id: "${data.aws_ec2_managed_prefix_list.s3.id}", ip_protocol: "tcp" },
        },
        aws_vpc_endpoint: { sqs: { service_name: "com.amazonaws.ap-northeast-2.sqs" } },
        aws_iam_instance_profile: { server: { name: "prod-server", role: "prod-server" } },
        aws_instance: {
          server: {
            ami: "${data.aws_ssm_parameter.image.insecure_value}",
            private_ip: "10.42.0.10",
            user_data: '#!/bin/sh\necho "$${HOME}"',
          },
        },
        aws_acm_certificate: {
          gateway: {
            domain_name: "fifo.kimalarm.example",
            subject_alternative_names: ["fifo.kimalarm.example", "*.fifo.kimalarm.example"],
          },
        },
        aws_acm_certificate_validation: { gateway: { certificate_arn: "${aws_acm_certificate.gateway.arn}" } },
        aws_route53_record: {
          validation: {
            name: "${tolist(aws_acm_certificate.gateway.domain_validation_options)[0].resource_record_name}",
            type: "CNAME",
            zone_id: "${data.aws_route53_zone.zone.zone_id}",
          },
        },
        aws_route53_zone: { own: { name: "other.example" } },
        aws_api_gateway_domain_name: { gateway: { domain_name: "fifo.kimalarm.example" } },
        aws_wafv2_web_acl: { firewall: { name: "prod", scope: "REGIONAL" } },
        aws_sns_topic: { alarms: { name: "prod-alarms" } },
        aws_sns_topic_subscription: { mail: { topic_arn: "${aws_sns_topic.alarms.arn}", protocol: "email" } },
        aws_cloudwatch_metric_alarm: { backlog: { alarm_name: "prod-backlog" } },
        aws_cloudwatch_dashboard: { path: { dashboard_name: "prod" } },
        aws_iam_role: { probe: { name: "probe", tags: REFERENCES.map(([reference]) => reference) } },
      },
    },
  });
  const said = resources.find(({ name }) => name === "probe")?.values["tags"];
  assert.ok(Array.isArray(said));
  for (const [index, [reference, expected]] of REFERENCES.entries()) {
    if (expected instanceof RegExp) assert.match(String(said[index]), expected, reference);
    else assert.equal(said[index], expected, reference);
  }
  const types = ignored.flatMap((each) => each.types);
  assert.deepEqual(types.toSorted(), [...new Set(resources.map(({ type }) => type))].toSorted());
  assert.equal(new Set(ignored.map(({ reason }) => reason)).size, ignored.length, "a reason is told once");
  assert.ok(ignored.length < types.length / 2);
});

const BROKEN: readonly (readonly [string, Record<string, unknown>, TerraformErrorCode, RegExp])[] = [
  ["an unknown resource type", { aws_s3_bucket: { b: {} } }, "unknown-type", /dev-messaging\/aws_s3_bucket\.b/],
  [
    "an unknown attribute",
    queueNamed("${aws_sqs_queue.q.colour}"),
    "unknown-reference",
    /colour of dev-messaging\/aws_sqs_queue\.q/,
  ],
  [
    "an unknown function",
    queueNamed("${uuid()}"),
    "unknown-function",
    /dev-messaging\/aws_sqs_queue\.q\.name: .*uuid\(\)/,
  ],
  ["a name that refers to itself", queueNamed("${aws_sqs_queue.q.arn}"), "cycle", /name -> .*arn -> .*name/],
  [
    "a resource that is not there",
    queueNamed("${aws_sqs_queue.other.arn}"),
    "unknown-reference",
    /aws_sqs_queue\.other/,
  ],
  ["for_each", { aws_sqs_queue: { q: { name: "q", for_each: ["a"] } } }, "unknown-argument", /for_each/],
];

for (const [what, resource, code, pattern] of BROKEN) {
  test(`names the address of ${what}`, async (t) => {
    const broken = read(t, { "dev-messaging": { ...stack("dev-messaging"), variable: { backend_url: {} }, resource } });
    await assert.rejects(broken, fails(code, pattern));
  });
}

test("refuses a data source, a block and a variable that it does not know", async (t) => {
  const known = { ...stack("dev-messaging"), variable: { backend_url: {} } };
  const data = { ...known, data: { aws_ami: { a: {} } }, resource: queueNamed("${data.aws_ami.a.id}") };
  await assert.rejects(read(t, { "dev-messaging": data }), fails("unknown-type", /dev-messaging\/data\.aws_ami\.a/));
  const parameter = {
    ...known,
    data: { aws_ssm_parameter: { p: { name: "/prod/own" } } },
    resource: queueNamed("${data.aws_ssm_parameter.p.insecure_value}"),
  };
  await assert.rejects(read(t, { "dev-messaging": parameter }), fails("unknown-reference", /parameter \/prod\/own/));
  await assert.rejects(read(t, { "dev-messaging": { ...known, module: {} } }), fails("invalid-file", /module/));
  await assert.rejects(read(t, { "dev-messaging": stack("dev-messaging") }), fails("unknown-reference", /backend_url/));
  await assert.rejects(read(t, {}), fails("unreadable-file", /npm run synth/));
});

test("reads one deployment's stacks and no other's whose name begins the same", async (t) => {
  const namesRead = async (stacks: Readonly<Record<string, unknown>>, deployment?: string) =>
    (await read(t, stacks, deployment)).resources.map(({ values }) => values["name"]);

  const three = deployments("dev", "dev-eu", "prod");
  assert.deepEqual(await namesRead(three), ["dev"]);
  assert.deepEqual(await namesRead(three, "dev-eu"), ["dev-eu"]);
  assert.deepEqual(await namesRead(three, "prod"), ["prod"]);
  assert.deepEqual(await namesRead({ ...three, "prod-operations": oneStack("prod-operations", "alarms") }, "prod"), [
    "prod",
    "alarms",
  ]);
  assert.deepEqual(await namesRead(deployments("only")), ["only"], "the only one needs no name");
  await assert.rejects(
    read(t, deployments("blue", "green")),
    fails("unknown-deployment", /^there are blue, green: say which one with --deployment$/),
  );
  await assert.rejects(
    read(t, three, "de"),
    fails("unknown-deployment", /^there is no deployment de under .*; there are dev, dev-eu, prod$/),
  );
});

/** A stack with one queue for each deployment, which has the deployment's name. */
function deployments(...names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [`${name}-messaging`, oneStack(`${name}-messaging`, name)]));
}

function oneStack(name: string, queue: string) {
  return { ...stack(name), variable: { backend_url: {} }, resource: queueNamed(queue) };
}

function stack(name: string) {
  return {
    terraform: { backend: { local: { path: `../../../${name}.tfstate` } } },
    provider: { aws: [{ region: "ap-northeast-2" }] },
  };
}

function queueNamed(name: string) {
  return { aws_sqs_queue: { q: { name, fifo_queue: true } } };
}

function route(parent: string, part: string) {
  return { rest_api_id: "${aws_api_gateway_rest_api.api.id}", parent_id: parent, path_part: part };
}

async function read(t: TestContext, stacks: Readonly<Record<string, unknown>>, deployment?: string) {
  const folder = await mkdtemp(join(tmpdir(), "fifo-terraform-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "stacks"));
  for (const [name, document] of Object.entries(stacks)) {
    await mkdir(join(folder, "stacks", name));
    await writeFile(join(folder, "stacks", name, "cdk.tf.json"), JSON.stringify(document));
  }
  return readDeployment({
    folder,
    deployment,
    variables: { backend_url: "http://backend/" },
    accountId: "000000000000",
    endpoints: { sqs: "http://127.0.0.1:1", gateway: "http://127.0.0.1:2" },
    apiKeyValue: (name) => `value of ${name}`,
  });
}
