import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import {
  KEY_POLICY_STATEMENTS,
  MANAGED_POLICIES,
  PUBLIC_STATEMENTS,
  WILDCARD_STATEMENTS,
} from "../stacks/wildcards.ts";
import { type EmittedStack, synth } from "./helpers/emitted.ts";

// Every policy that is emitted, wherever it stands, against the tables of exceptions in stacks/wildcards.ts.

const emitted = synth();
const stacks = [...emitted.files.keys()]
  .flatMap((file) => /^stacks[/\\](.+)[/\\]cdk\.tf\.json$/.exec(file)?.[1] ?? [])
  .map((name) => ({ name, stack: emitted.stack(name) }));

const listSchema = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());
const statementSchema = z.object({
  Sid: z.string().optional(),
  Effect: z.enum(["Allow", "Deny"]),
  Action: listSchema,
  Resource: listSchema.default([]),
  Principal: z.union([z.string(), z.record(z.string(), listSchema)]).optional(),
  Condition: z.unknown().optional(),
});
const policySchema = z.object({ Version: z.literal("2012-10-17"), Statement: z.array(statementSchema) });

interface FoundStatement extends z.output<typeof statementSchema> {
  readonly type: string;
  readonly at: string;
}

const statements = stacks.flatMap(({ name, stack }) => statementsOf(name, stack));
const allowed = statements.filter(({ Effect }) => Effect === "Allow");

function statementsOf(name: string, { resource }: EmittedStack): FoundStatement[] {
  return Object.entries(resource).flatMap(([type, named]) =>
    Object.entries(named).flatMap(([id, values]) =>
      Object.entries(values).flatMap(([argument, value]) => {
        if (typeof value !== "string" || !value.includes('"Statement"')) return [];
        const at = `${name}/${type}.${id}.${argument}`;
        return policySchema.parse(JSON.parse(value)).Statement.map((statement) => ({ ...statement, type, at }));
      }),
    ),
  );
}

const says = ({ at, Sid }: FoundStatement) => `${at} ${Sid ?? "(without Sid)"}`;
/** The policy of a gateway endpoint can name a role by this condition alone. */
const namesOneRole = ({ Condition }: FoundStatement) =>
  /^\{"ArnEquals":\{"aws:PrincipalArn":"\$\{aws_iam_role\.[^}]+\.arn\}"\}\}$/.test(JSON.stringify(Condition ?? ""));
const isOpen = (statement: FoundStatement) =>
  [statement.Principal ?? []]
    .flatMap((principal) => (typeof principal === "string" ? principal : Object.values(principal).flat()))
    .includes("*") && !namesOneRole(statement);
const row = (table: Readonly<Record<string, { readonly actions: readonly string[] }>>, { Sid = "" }: FoundStatement) =>
  Object.hasOwn(table, Sid) ? table[Sid] : undefined;

test("policies of every kind were found", () => {
  const types = new Set(statements.map(({ type }) => type));
  for (const type of [
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_kms_key",
    "aws_sqs_queue_policy",
    "aws_vpc_endpoint",
    "aws_sns_topic_policy",
  ])
    assert.ok(types.has(type), type);
});

describe("what is allowed", () => {
  test("is named action by action, but for the key's administration", () => {
    for (const statement of allowed) {
      for (const action of statement.Action) {
        if (/^[a-z0-9-]+:[A-Za-z]+$/.test(action)) continue;
        assert.equal(statement.type, "aws_kms_key", says(statement));
        assert.ok(row(KEY_POLICY_STATEMENTS, statement)?.actions.includes(action), says(statement));
      }
    }
  });

  test("is limited to ARNs, but for the rows of the table of what cannot be", () => {
    for (const statement of allowed) {
      // A role says who may assume it, and is the resource itself.
      if (statement.type === "aws_iam_role") continue;
      assert.ok(statement.Resource.length > 0, says(statement));
      for (const target of statement.Resource) {
        if (target !== "*") {
          assert.match(target, /^(?:arn:aws:|\$\{[^}]+arn\}|execute-api:)/, says(statement));
          continue;
        }
        const table = statement.type === "aws_kms_key" ? KEY_POLICY_STATEMENTS : WILDCARD_STATEMENTS;
        assert.deepEqual(row(table, statement)?.actions, statement.Action, says(statement));
      }
    }
  });

  test("is for roles and services by name, but for the rows of the table of what is open to all", () => {
    for (const statement of allowed.filter(isOpen)) {
      assert.deepEqual(row(PUBLIC_STATEMENTS, statement)?.actions, statement.Action, says(statement));
    }
  });

  test("to a service that acts for others, holds for this account's own resources only", () => {
    for (const statement of allowed) {
      const services = typeof statement.Principal === "object" ? (statement.Principal.Service ?? []) : [];
      if (statement.type === "aws_iam_role" || services.length === 0) continue;
      assert.match(
        JSON.stringify(statement.Condition ?? ""),
        /account_id|aws:SourceArn|SourceAccount/,
        says(statement),
      );
    }
  });
});

test("a policy of AWS's own is attached only by a row of the table", () => {
  const attached = stacks.flatMap(({ stack }) =>
    Object.values(stack.resource.aws_iam_role_policy_attachment ?? {}).map(({ policy_arn }) => policy_arn),
  );
  const known: readonly string[] = Object.values(MANAGED_POLICIES).map(({ arn }) => arn);
  for (const arn of attached) assert.ok(known.includes(String(arn)), String(arn));
  for (const arn of known) assert.ok(attached.includes(arn), `${arn} is attached nowhere: its row is stale`);
  for (const { stack } of stacks) {
    for (const type of ["aws_iam_policy", "aws_iam_user", "aws_iam_access_key"])
      assert.equal(stack.resource[type], undefined);
    for (const role of Object.values(stack.resource.aws_iam_role ?? {}))
      assert.equal(role.managed_policy_arns, undefined);
  }
});

test("every row of the tables is in use, and says why", () => {
  const used = new Set(allowed.map(({ Sid }) => Sid));
  for (const [sid, { reason }] of Object.entries({
    ...WILDCARD_STATEMENTS,
    ...KEY_POLICY_STATEMENTS,
    ...PUBLIC_STATEMENTS,
  })) {
    // Nothing in main.ts lists sources: stacks.gateway.test.ts looks at that policy.
    if (sid !== "InvokeApi") assert.ok(used.has(sid), `${sid} is emitted nowhere: its row is stale`);
    assert.ok(reason.length > 20, sid);
  }
});
