import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { emitDeployment } from "./helpers/emit-deployment.ts";
import { json, resource, resources, synth } from "./helpers/emitted.ts";

const emitted = synth();
const prod = emitted.stack("prod-messaging");
const dev = emitted.stack("dev-messaging");

const KEY = "${aws_kms_key.encryption_key.arn}";
const QUEUES = ["queue-1_dead-letter", "queue-1_queue", "queue-2_dead-letter", "queue-2_queue"];

/** Statements of a role that use the key. */
const usesOf = (stack: string, policy: string) =>
  z
    .object({
      Statement: z.array(z.object({ Sid: z.string(), Action: z.array(z.string()), Resource: z.array(z.string()) })),
    })
    .parse(json(resource(emitted.stack(stack), "aws_iam_role_policy", policy).policy))
    .Statement.filter(({ Action }) => Action.some((action) => action.startsWith("kms:")));

/** Where Terraform Cloud keeps a stack's state. */
const state = (stack: string) => ({
  organization: "kimalarm",
  hostname: "app.terraform.io",
  workspaces: { name: `fifo-gateway-${stack}` },
});

describe("in production, nothing that holds messages goes away by a plan", () => {
  test("queues, table and their key are guarded", () => {
    const guarded = [
      ...Object.values(resources(prod, "aws_sqs_queue")),
      ...Object.values(resources(prod, "aws_dynamodb_table")),
      ...Object.values(resources(prod, "aws_kms_key")),
    ];
    assert.equal(guarded.length, QUEUES.length + 2);
    for (const each of guarded) assert.deepEqual(each.lifecycle, { prevent_destroy: true });
  });

  test("the table can be brought back to a point in time, and not be deleted by hand", () => {
    const table = resource(prod, "aws_dynamodb_table", "parking-lot_table");
    assert.deepEqual(table.point_in_time_recovery, { enabled: true });
    assert.equal(table.deletion_protection_enabled, true);
  });

  test("and where nothing is protected, nothing is guarded", () => {
    for (const type of ["aws_sqs_queue", "aws_dynamodb_table"]) {
      for (const each of Object.values(resources(dev, type))) assert.equal(each.lifecycle, undefined);
    }
    assert.equal(resource(dev, "aws_dynamodb_table", "parking-lot_table").deletion_protection_enabled, false);
  });
});

test("a dead-letter queue keeps a message for 14 days, and takes messages from its own queue alone", () => {
  for (const name of ["queue-1", "queue-2"]) {
    assert.equal(resource(prod, "aws_sqs_queue", `${name}_dead-letter`).message_retention_seconds, 14 * 86_400);
    const allow = resource(prod, "aws_sqs_queue_redrive_allow_policy", `${name}_redrive-allow`);
    assert.equal(allow.queue_url, `\${aws_sqs_queue.${name}_dead-letter.url}`);
    assert.deepEqual(json(allow.redrive_allow_policy), {
      redrivePermission: "byQueue",
      sourceQueueArns: [`\${aws_sqs_queue.${name}_queue.arn}`],
    });
  }
});

test("group throughput and group deduplication are on together, on every queue", () => {
  for (const stack of [dev, prod]) {
    for (const queue of Object.values(resources(stack, "aws_sqs_queue"))) {
      assert.deepEqual(
        [queue.fifo_queue, queue.deduplication_scope, queue.fifo_throughput_limit],
        [true, "messageGroup", "perMessageGroupId"],
      );
    }
  }
});

describe("plain HTTP", () => {
  for (const [name, stack] of Object.entries({ dev, prod })) {
    test(`is refused by every queue of ${name}, and nobody is allowed anything by that`, () => {
      const policies = Object.values(resources(stack, "aws_sqs_queue_policy"));
      assert.deepEqual(
        policies.map(({ queue_url }) => queue_url).toSorted(),
        QUEUES.map((queue) => `\${aws_sqs_queue.${queue}.url}`),
      );
      for (const { queue_url, policy } of policies) {
        assert.deepEqual(json(policy), {
          Version: "2012-10-17",
          Statement: [
            {
              Sid: "RefusePlainHttp",
              Effect: "Deny",
              Principal: "*",
              Action: "sqs:*",
              Resource: String(queue_url).replace(".url}", ".arn}"),
              Condition: { Bool: { "aws:SecureTransport": "false" } },
            },
          ],
        });
      }
    });
  }
});

describe("the deployment's own key", () => {
  const statementSchema = z.strictObject({
    Sid: z.string(),
    Effect: z.literal("Allow"),
    Principal: z.record(z.string(), z.string()),
    Action: z.array(z.string()),
    Resource: z.literal("*"),
    Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  });
  const key = resource(prod, "aws_kms_key", "encryption_key");
  const { Statement: statements } = z
    .strictObject({ Version: z.string(), Statement: z.array(statementSchema) })
    .parse(json(key.policy));
  const of = (sid: string) => statements.find(({ Sid }) => Sid === sid);

  test("is made anew by AWS each year, can be kept for a month once it is deleted, and has a name", () => {
    assert.equal(key.enable_key_rotation, true);
    assert.equal(key.deletion_window_in_days, 30);
    const alias = resource(prod, "aws_kms_alias", "encryption_alias");
    assert.deepEqual(
      [alias.name, alias.target_key_id],
      ["alias/prod-fifo-gateway", "${aws_kms_key.encryption_key.key_id}"],
    );
  });

  test("encrypts queues and table", () => {
    for (const queue of Object.values(resources(prod, "aws_sqs_queue"))) {
      assert.equal(queue.kms_master_key_id, KEY);
      // The two are alternatives: the provider refuses both.
      assert.equal(queue.sqs_managed_sse_enabled, undefined);
    }
    const { server_side_encryption } = resource(prod, "aws_dynamodb_table", "parking-lot_table");
    assert.deepEqual(server_side_encryption, { enabled: true, kms_key_arn: KEY });
  });

  test("belongs to the account, and beside it only CloudWatch's logs and alarms of this deployment use it by themselves", () => {
    const account = "${data.aws_caller_identity.encryption_account.account_id}";
    assert.deepEqual(
      statements.map(({ Sid, Principal }) => [Sid, Principal]),
      [
        ["AdministerKey", { AWS: `arn:aws:iam::${account}:root` }],
        ["EncryptLogs", { Service: "logs.ap-northeast-2.amazonaws.com" }],
        ["SendAlarms", { Service: "cloudwatch.amazonaws.com" }],
      ],
    );
    assert.deepEqual(of("SendAlarms")?.Condition, {
      StringEquals: { "aws:SourceAccount": account },
      ArnLike: { "aws:SourceArn": `arn:aws:cloudwatch:ap-northeast-2:${account}:alarm:prod-*` },
    });
    assert.deepEqual(of("SendAlarms")?.Action, ["kms:Decrypt", "kms:GenerateDataKey"]);
  });

  test("encrypts every log group that is given to it", () => {
    const patterns = z
      .object({ ArnLike: z.object({ "kms:EncryptionContext:aws:logs:arn": z.array(z.string()) }) })
      .parse(of("EncryptLogs")?.Condition).ArnLike["kms:EncryptionContext:aws:logs:arn"];
    const groups = ["prod-delivery", "prod-gateway"]
      .map((name) => emitted.stack(name))
      .flatMap((stack) => Object.values(stack.resource.aws_cloudwatch_log_group ?? {}))
      .filter(({ kms_key_id }) => kms_key_id !== undefined);
    assert.ok(groups.length > 0);
    for (const { name, kms_key_id } of groups) {
      assert.equal(kms_key_id, "${data.terraform_remote_state.prod-messaging.outputs.encryption_key_arn}");
      assert.ok(
        patterns.some((pattern) => {
          const [start = "", end] = pattern.slice(pattern.indexOf("log-group:")).split("*");
          return `log-group:${name}`.startsWith(start) && `log-group:${name}`.endsWith(end ?? "nothing");
        }),
        `${name} is none of ${patterns.join(", ")}`,
      );
    }
  });

  test("is for the roles that send and receive, as far as each needs it", () => {
    const arn = "${data.terraform_remote_state.prod-messaging.outputs.encryption_key_arn}";
    const forQueues = { Sid: "UseKeyForQueues", Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource: [arn] };
    assert.deepEqual(usesOf("prod-gateway", "api_send_policy"), [forQueues]);
    const consumer = usesOf("prod-delivery", "consumer_execution_policy");
    assert.deepEqual(
      consumer.filter(({ Sid }) => Sid === "UseKeyForQueues"),
      [forQueues],
    );
    assert.ok(consumer.some(({ Sid }) => Sid === "UseKeyForTable"));
    for (const { Resource } of consumer) assert.deepEqual(Resource, [arn]);
  });

  test("is not there where AWS keeps the keys", () => {
    assert.equal(dev.resource.aws_kms_key, undefined);
    for (const queue of Object.values(resources(dev, "aws_sqs_queue"))) {
      assert.deepEqual([queue.sqs_managed_sse_enabled, queue.kms_master_key_id], [true, undefined]);
    }
  });
});

describe("state", () => {
  test("of production is in one named workspace a stack, and the others read messaging's", () => {
    for (const name of ["prod-messaging", "prod-delivery", "prod-gateway", "prod-operations"]) {
      const { terraform, data } = emitted.stack(name);
      assert.deepEqual(terraform.cloud, state(name));
      assert.equal(terraform.backend, undefined);
      for (const remote of Object.values(data?.terraform_remote_state ?? {})) {
        assert.deepEqual([remote.backend, remote.config], ["remote", state("prod-messaging")]);
      }
    }
    assert.ok(emitted.stack("prod-delivery").data?.terraform_remote_state?.["prod-messaging"]);
    assert.ok(emitted.stack("prod-gateway").data?.terraform_remote_state?.["prod-messaging"]);
  });
});

describe("the provider", () => {
  test("stops with the credentials of another account, and tags all that it makes", () => {
    for (const name of ["prod-messaging", "prod-delivery", "prod-gateway", "prod-operations"]) {
      const [aws] = z.array(z.record(z.string(), z.unknown())).parse(emitted.stack(name).provider.aws);
      assert.deepEqual(aws?.allowed_account_ids, ["123456789012"]);
      assert.deepEqual(aws?.default_tags, [
        { tags: { Project: "fifo-gateway", Deployment: "prod", ManagedBy: "terraform" } },
      ]);
    }
  });

  test("assumes a role where one is given, and adds a deployment's own tags", () => {
    const other = emitDeployment({
      name: "test",
      region: "us-east-1",
      stage: "v1",
      backend: { url: "https://backend.example/" },
      queues: [{ name: "queue-1" }],
      producers: [{ name: "app" }],
      aws: { assumeRole: { arn: "arn:aws:iam::123456789012:role/deploy", externalId: "fifo" } },
      tags: { CostCentre: "4711" },
      terraformCloud: {
        organization: "kimalarm",
        hostname: "terraform.kimalarm.example",
        project: "Messaging",
        workspacePrefix: "",
      },
    });
    for (const name of ["test-messaging", "test-delivery", "test-gateway"]) {
      const { provider, terraform } = other.stack(name);
      const [aws] = z.array(z.record(z.string(), z.unknown())).parse(provider.aws);
      assert.deepEqual(aws?.assume_role, [
        {
          role_arn: "arn:aws:iam::123456789012:role/deploy",
          session_name: "fifo-gateway-test",
          external_id: "fifo",
        },
      ]);
      assert.equal(aws?.allowed_account_ids, undefined);
      assert.match(JSON.stringify(aws?.default_tags), /"CostCentre":"4711"/);
      assert.deepEqual(terraform.cloud, {
        organization: "kimalarm",
        hostname: "terraform.kimalarm.example",
        workspaces: { name, project: "Messaging" },
      });
    }
  });
});
