import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { WILDCARD_STATEMENTS } from "../stacks/wildcards.ts";
import { changesOf, edit } from "./helpers/edited-tree.ts";
import { json, resource, resources, synth } from "./helpers/emitted.ts";
import { decodeUserData } from "./helpers/instance.ts";

const emitted = synth();
const delivery = emitted.stack("prod-delivery");
const messaging = "data.terraform_remote_state.prod-messaging.outputs";

const statementSchema = z.object({
  Sid: z.string(),
  Effect: z.literal("Allow"),
  Action: z.array(z.string()),
  Resource: z.array(z.string()),
  Principal: z.unknown().optional(),
  Condition: z.unknown().optional(),
});
type Statement = z.output<typeof statementSchema>;
const statementsOf = (policy: unknown): Statement[] =>
  z.object({ Statement: z.array(statementSchema) }).parse(json(policy)).Statement;

const strings = z.array(z.string());
const dependenciesOf = ({ depends_on }: Record<string, unknown>): string[] => strings.parse(depends_on);

/** Which security group an id is of. */
const group = (id: unknown) => /aws_security_group\.network_groups_([\w-]+)\.id/.exec(String(id))?.[1];

const append = (file: string) => (copy: string) =>
  edit(join(copy, file), (text) => `${text}\nconsole.debug("changed");\n`);

const role = resource(delivery, "aws_iam_role_policy", "consumer_execution_policy");
const consumer = resource(delivery, "aws_lambda_function", "consumer_function");
const instance = resource(delivery, "aws_instance", "response-server_instance");

describe("the network", () => {
  const subnets = resources(delivery, "aws_subnet");

  test("has names, so that endpoints can have private ones", () => {
    const vpc = resource(delivery, "aws_vpc", "network_vpc");
    assert.equal(vpc.enable_dns_support, true);
    assert.equal(vpc.enable_dns_hostnames, true);
    assert.equal(vpc.cidr_block, "10.42.0.0/24");
  });

  test("has a subnet for the instance in the first zone, and one for the consumer in each of two", () => {
    assert.deepEqual(
      Object.fromEntries(
        Object.entries(subnets).map(([name, { availability_zone, cidr_block }]) => [
          name,
          [availability_zone, cidr_block],
        ]),
      ),
      {
        "network_private-1": ["ap-northeast-2a", "10.42.0.64/26"],
        "network_private-2": ["ap-northeast-2c", "10.42.0.128/26"],
        network_public: ["ap-northeast-2a", "10.42.0.0/26"],
      },
    );
    for (const [name, subnet] of Object.entries(subnets))
      assert.equal(subnet.map_public_ip_on_launch, name === "network_public" ? true : undefined);
  });

  test("has one way out, and only the instance's subnet takes it", () => {
    const tables = Object.values(resources(delivery, "aws_route_table_association")).map(
      ({ subnet_id, route_table_id }) => [subnet_id, route_table_id],
    );
    assert.deepEqual(Object.fromEntries(tables), {
      "${aws_subnet.network_public.id}": "${aws_route_table.network_public-routes.id}",
      "${aws_subnet.network_private-1.id}": "${aws_route_table.network_private-routes.id}",
      "${aws_subnet.network_private-2.id}": "${aws_route_table.network_private-routes.id}",
    });
    const routes = resources(delivery, "aws_route");
    assert.deepEqual(Object.keys(routes), ["network_way-out"]);
    assert.equal(routes["network_way-out"]?.route_table_id, "${aws_route_table.network_public-routes.id}");
    assert.equal(routes["network_way-out"]?.gateway_id, "${aws_internet_gateway.network_internet.id}");
    for (const table of Object.values(resources(delivery, "aws_route_table"))) assert.ok(!("route" in table));
    assert.equal(delivery.resource.aws_nat_gateway, undefined);
  });

  test("has a closed default group, so that what is in no group reaches nothing", () => {
    const closed = resource(delivery, "aws_default_security_group", "network_default-group");
    assert.equal(closed.vpc_id, "${aws_vpc.network_vpc.id}");
    // Said, since without them the provider would leave in place what somebody adds by hand.
    assert.deepEqual([closed.ingress, closed.egress], [[], []]);
  });

  test("lets through deliveries, calls of SQS and DynamoDB, and the instance's way to its packages", () => {
    const rules = (["ingress", "egress"] as const).flatMap((direction) =>
      Object.values(resources(delivery, `aws_vpc_security_group_${direction}_rule`)).map((rule) => {
        assert.equal(rule.ip_protocol, "tcp");
        assert.equal(rule.from_port, rule.to_port);
        // What EC2 takes in a description.
        assert.match(String(rule.description), /^[A-Za-z0-9 ._\-:/()#,@[\]+=&;{}!$*]{1,255}$/);
        const other = group(rule.referenced_security_group_id) ?? rule.prefix_list_id ?? rule.cidr_ipv4;
        return `${group(rule.security_group_id)} ${direction} ${rule.from_port} ${other}`;
      }),
    );
    assert.deepEqual(rules.toSorted(), [
      "consumer egress 443 ${aws_vpc_endpoint.network_endpoints_dynamodb.prefix_list_id}",
      "consumer egress 443 queues",
      "consumer egress 8000 response-server",
      "queues ingress 443 consumer",
      "response-server egress 443 0.0.0.0/0",
      "response-server ingress 8000 consumer",
    ]);
    for (const each of Object.values(resources(delivery, "aws_security_group"))) {
      assert.ok(!("ingress" in each) && !("egress" in each), "every rule is a resource of its own");
    }
  });
});

describe("an endpoint of the network", () => {
  const endpoints = resources(delivery, "aws_vpc_endpoint");
  const endpoint = (name: string) => endpoints[name] ?? assert.fail(`no endpoint ${name}`);

  test("is there for SQS in both of the consumer's zones, under the name that the consumer calls", () => {
    const { service_name, vpc_endpoint_type, private_dns_enabled, subnet_ids, security_group_ids } =
      endpoint("network_endpoints_sqs");
    assert.equal(service_name, "com.amazonaws.ap-northeast-2.sqs");
    assert.equal(vpc_endpoint_type, "Interface");
    assert.equal(private_dns_enabled, true);
    assert.deepEqual(subnet_ids, ["${aws_subnet.network_private-1.id}", "${aws_subnet.network_private-2.id}"]);
    assert.deepEqual(security_group_ids, ["${aws_security_group.network_groups_queues.id}"]);
  });

  test("is a route of the consumer's subnets for DynamoDB, and of the instance's for S3", () => {
    for (const [name, service, routes] of [
      ["network_endpoints_dynamodb", "dynamodb", "private"],
      ["network_packages_s3", "s3", "public"],
    ] as const) {
      const { service_name, vpc_endpoint_type, route_table_ids } = endpoint(name);
      assert.equal(service_name, `com.amazonaws.ap-northeast-2.${service}`);
      assert.equal(vpc_endpoint_type, "Gateway");
      assert.deepEqual(route_table_ids, [`\${aws_route_table.network_${routes}-routes.id}`]);
    }
    assert.deepEqual(Object.keys(endpoints).length, 3);
  });

  test("lets the consumer's role do with SQS and DynamoDB what it may do, and nobody else anything", () => {
    for (const service of ["sqs", "dynamodb"]) {
      const statements = statementsOf(endpoint(`network_endpoints_${service}`).policy);
      for (const { Principal, Condition } of statements) {
        assert.equal(Principal, "*");
        assert.deepEqual(Condition, {
          ArnEquals: { "aws:PrincipalArn": "${aws_iam_role.consumer_execution_role.arn}" },
        });
      }
      const own = statementsOf(role.policy).filter(({ Action }) => Action.some((one) => one.startsWith(`${service}:`)));
      assert.ok(own.length >= 2);
      assert.deepEqual(
        statements.map(({ Action, Resource }) => ({ Action, Resource })),
        own.map(({ Action, Resource }) => ({ Action, Resource })),
      );
    }
  });

  test("lets the instance read Amazon's packages and nothing else in S3", () => {
    const [statement, another] = statementsOf(endpoint("network_packages_s3").policy);
    assert.equal(another, undefined);
    assert.deepEqual(statement?.Action, ["s3:GetObject"]);
    assert.deepEqual(statement?.Resource, [
      "arn:aws:s3:::al2023-repos-ap-northeast-2-de612dc2/*",
      "arn:aws:s3:::amazon-ssm-ap-northeast-2/*",
      "arn:aws:s3:::aws-ssm-ap-northeast-2/*",
    ]);
  });
});

describe("the consumer", () => {
  test("is in the private subnets, and is called only when all its ways are there", () => {
    assert.deepEqual(consumer.vpc_config, {
      security_group_ids: ["${aws_security_group.network_groups_consumer.id}"],
      subnet_ids: ["${aws_subnet.network_private-1.id}", "${aws_subnet.network_private-2.id}"],
    });
    const needs = dependenciesOf(consumer);
    for (const address of [
      "aws_iam_role_policy.consumer_execution_policy",
      "aws_route_table_association.network_private-1-association",
      "aws_route_table_association.network_private-2-association",
      "aws_vpc_endpoint.network_endpoints_sqs",
      "aws_vpc_endpoint.network_endpoints_dynamodb",
    ])
      assert.ok(needs.includes(address), address);
    for (const direction of ["ingress", "egress"]) {
      const rules = Object.keys(resources(delivery, `aws_vpc_security_group_${direction}_rule`));
      for (const rule of rules.filter((name) => name !== "network_groups_updates-out")) {
        assert.ok(needs.includes(`aws_vpc_security_group_${direction}_rule.${rule}`), rule);
      }
    }
    for (const source of Object.values(resources(delivery, "aws_lambda_event_source_mapping"))) {
      assert.equal(source.function_name, "${aws_lambda_function.consumer_function.arn}", "and so after them as well");
    }
  });

  test("posts to the instance's own address unless told otherwise", () => {
    assert.equal(delivery.variable?.backend_url?.default, `http://${instance.private_ip}:8000/`);
    assert.equal(instance.private_ip, "10.42.0.10");
    assert.equal(instance.subnet_id, "${aws_subnet.network_public.id}");
  });

  test("has its reserved concurrency, its traces, and the deployment's key for environment and logs", () => {
    assert.equal(consumer.reserved_concurrent_executions, 25);
    assert.deepEqual([consumer.memory_size, consumer.timeout], [512, 60]);
    assert.deepEqual(consumer.tracing_config, { mode: "Active" });
    assert.equal(consumer.kms_key_arn, `\${${messaging}.encryption_key_arn}`);
    const logs = resource(delivery, "aws_cloudwatch_log_group", "consumer_logs");
    assert.equal(logs.kms_key_id, `\${${messaging}.encryption_key_arn}`);
    const statement = statementsOf(role.policy).find(({ Sid }) => Sid === "UseKeyForEnvironment");
    assert.deepEqual(statement?.Action, ["kms:Decrypt"]);
    assert.deepEqual(statement?.Resource, [`\${${messaging}.encryption_key_arn}`]);
  });

  test("may connect to these subnets in this group, and touch no resource by a wildcard but as the table says", () => {
    const account = "${data.aws_caller_identity.network_account.account_id}";
    const ec2 = `arn:aws:ec2:ap-northeast-2:${account}`;
    const statements = statementsOf(role.policy);
    assert.deepEqual(
      statements
        .filter(({ Action }) => Action.some((action) => action.startsWith("ec2:")))
        .map(({ Action, Resource }) => ({ Action, Resource })),
      [
        {
          Action: ["ec2:CreateNetworkInterface"],
          Resource: [
            "${aws_subnet.network_private-1.arn}",
            "${aws_subnet.network_private-2.arn}",
            "${aws_security_group.network_groups_consumer.arn}",
            `${ec2}:network-interface/*`,
          ],
        },
        {
          Action: ["ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"],
          Resource: [`${ec2}:network-interface/*`],
        },
        { Action: ["ec2:DeleteNetworkInterface"], Resource: [`${ec2}:*/*`] },
        { Action: ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"], Resource: ["*"] },
      ],
    );
    const rows: Readonly<Record<string, { readonly actions: readonly string[] }>> = WILDCARD_STATEMENTS;
    const unscoped = statements.filter(({ Resource }) => Resource.includes("*"));
    assert.deepEqual(unscoped.map(({ Sid }) => Sid).toSorted(), ["DescribeNetwork", "TraceRequests"]);
    for (const { Sid, Action } of unscoped) assert.deepEqual(Action, rows[Sid]?.actions);
    for (const { Action } of statements) for (const one of Action) assert.match(one, /^[a-z0-9]+:[A-Za-z]+$/);
  });
});

describe("the response server", () => {
  test("is the newest Amazon Linux 2023 when it is made, and stays when a newer one comes", () => {
    const image = delivery.data?.aws_ssm_parameter?.["response-server_image"];
    assert.equal(image?.name, "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64");
    assert.equal(instance.ami, "${data.aws_ssm_parameter.response-server_image.insecure_value}");
    assert.equal(instance.instance_type, "t4g.small");
    assert.deepEqual(instance.lifecycle, { ignore_changes: ["ami"] });
  });

  test("has a disk of the deployment's own key, and gives its credentials to no one who forwards a request", () => {
    assert.deepEqual(instance.root_block_device, {
      encrypted: true,
      kms_key_id: `\${${messaging}.encryption_key_arn}`,
      volume_size: 8,
      volume_type: "gp3",
    });
    assert.deepEqual(instance.metadata_options, {
      http_endpoint: "enabled",
      http_put_response_hop_limit: 1,
      http_tokens: "required",
    });
  });

  test("is reached by people through Session Manager alone", () => {
    assert.equal(instance.key_name, undefined);
    assert.deepEqual(instance.vpc_security_group_ids, ["${aws_security_group.network_groups_response-server.id}"]);
    assert.equal(instance.iam_instance_profile, "${aws_iam_instance_profile.response-server_profile.name}");
    const profile = resource(delivery, "aws_iam_instance_profile", "response-server_profile");
    assert.equal(profile.role, "${aws_iam_role.response-server_access_role.name}");
    assert.equal(delivery.resource.aws_iam_role_policy_attachment, undefined);
    const { policy } = resource(delivery, "aws_iam_role_policy", "response-server_access_policy");
    const { actions } = WILDCARD_STATEMENTS.UseSessionManager;
    assert.deepEqual(json(policy), {
      Version: "2012-10-17",
      Statement: [{ Sid: "UseSessionManager", Effect: "Allow", Action: actions, Resource: ["*"] }],
    });
    for (const action of actions) assert.match(action, /^(?:ssmmessages:|ssm:UpdateInstanceInformation$)/);
  });

  test("starts when it can reach its packages, which it installs then and never again", () => {
    const needs = dependenciesOf(instance);
    for (const address of [
      "aws_route.network_way-out",
      "aws_route_table_association.network_public-association",
      "aws_vpc_endpoint.network_packages_s3",
      "aws_vpc_security_group_egress_rule.network_groups_updates-out",
    ])
      assert.ok(needs.includes(address), address);
    // With it, an instance that was stopped would be replaced.
    assert.equal(instance.associate_public_ip_address, undefined);
  });

  test("is named as configured and is made anew when its user data changes", () => {
    assert.equal(instance.user_data_replace_on_change, true);
    assert.equal(instance.user_data, undefined);
    const { config } = decodeUserData(instance.user_data_base64);
    assert.equal(config.timezone, "Asia/Seoul");
    assert.equal(config.hostname, "prod-response-server");
  });

  test("can be found: its id for Session Manager, and its address", () => {
    assert.equal(delivery.output?.response_server_instance?.value, "${aws_instance.response-server_instance.id}");
    assert.equal(
      delivery.output?.response_server_address?.value,
      "${aws_instance.response-server_instance.private_ip}",
    );
  });
});

test("a deployment whose backend is a URL has no network and none of the options that it does not ask for", () => {
  const dev = emitted.stack("dev-delivery");
  assert.deepEqual(Object.keys(dev.resource).toSorted(), [
    "aws_cloudwatch_event_rule",
    "aws_cloudwatch_event_target",
    "aws_cloudwatch_log_group",
    "aws_cloudwatch_log_metric_filter",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_lambda_event_source_mapping",
    "aws_lambda_function",
    "aws_lambda_permission",
  ]);
  assert.deepEqual(Object.keys(dev.data ?? {}), ["terraform_remote_state"]);
  const lean = resource(dev, "aws_lambda_function", "consumer_function");
  for (const option of ["vpc_config", "reserved_concurrent_executions", "tracing_config", "kms_key_arn"]) {
    assert.ok(!(option in lean), option);
  }
});

describe("a change of the tree", () => {
  const stacks = ["messaging", "delivery", "gateway"].map((part) => `prod-${part}`);

  test("of the consumer's code changes the function and nothing else", () => {
    assert.deepEqual(changesOf(emitted, stacks, append("runtime/consumer/lambda.ts")), [
      "aws_lambda_function.consumer_function",
    ]);
  });

  test("of the response server's code changes the instance and nothing else", () => {
    assert.deepEqual(changesOf(emitted, stacks, append("runtime/response-server/app.ts")), [
      "aws_instance.response-server_instance",
    ]);
  });

  test("of the instance's type or disk changes the instance and nothing else", () => {
    const changed = changesOf(emitted, stacks, (copy) =>
      edit(join(copy, "main.ts"), (text) =>
        text.replace('zones: ["a", "c"]', 'zones: ["a", "c"], instanceType: "t4g.medium", diskGibibytes: 16'),
      ),
    );
    assert.deepEqual(changed, ["aws_instance.response-server_instance"]);
  });
});
