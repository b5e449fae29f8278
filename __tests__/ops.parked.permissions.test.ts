import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Connection,
  connect,
  discard,
  edit,
  listGroups,
  listMessages,
  planDiscard,
  planReplay,
  readPayload,
  replay,
  show,
} from "../sdk/ops/src/index.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";

const readme = readFileSync(join(import.meta.dirname, "../sdk/ops/README.md"), "utf8");

/** What the README grants the verb of a row, as `dynamodb:Query table` or `sqs:SendMessage`. */
function grantedTo(row: string): Set<string> {
  const lines = readme.split("\n");
  const first = lines.findIndex((line) => line.startsWith(`| ${row} | \`dynamodb:`));
  assert.ok(first !== -1, `the README has no row for ${row}`);
  const more = lines.slice(first + 1).findIndex((line) => !line.startsWith("|  |"));
  const granted = lines.slice(first, first + 1 + more).flatMap((line) => {
    const [, actions = "", resource = ""] = line.split(" | ");
    return [...actions.matchAll(/`([a-z]+:[A-Za-z]+)`/g)].map(([, action = ""]) =>
      permission(action, /\/index\//.test(resource)),
    );
  });
  return new Set(granted);
}

function permission(action: string, isOnIndex: boolean): string {
  return action.startsWith("dynamodb:") ? `${action} ${isOnIndex ? "index" : "table"}` : action;
}

/** The permissions that the connection's calls need, as they are made. */
function watchCalls({ sqs, dynamodb }: Connection): Set<string> {
  const calls = new Set<string>();
  sqs.middlewareStack.add(
    (next, { commandName = "" }) =>
      (args) => {
        calls.add(permission(`sqs:${commandName.replace(/Command$/, "")}`, false));
        return next(args);
      },
    { step: "initialize" },
  );
  dynamodb.middlewareStack.add(
    (next, { commandName = "" }) =>
      (args) => {
        const isOnIndex = "IndexName" in args.input && args.input.IndexName !== undefined;
        calls.add(permission(`dynamodb:${commandName.replace(/Command$/, "")}`, isOnIndex));
        return next(args);
      },
    { step: "initialize" },
  );
  return calls;
}

async function exhaust(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const row of rows) assert.ok(row);
}

test("each verb asks AWS for what the README says, and for nothing else", async () => {
  await using world = await startOpsWorld();
  const [first] = await world.park("10", 2);
  const sequenceNumber = first?.sequenceNumber ?? "";
  const payload = new TextEncoder().encode('{"MessageGroupID":"10"}');
  const of = (connection: Connection) => {
    const queue = { connection, queue: "queue-2", timeoutSeconds: 0.01 };
    const group = { ...queue, groupId: "10" };
    return { connection, queue, group, message: { ...group, sequenceNumber, reason: "a test", payload } };
  };
  type Verb = (given: ReturnType<typeof of>) => Promise<unknown>;
  const listing = "`parked list <queue> --group`, `show`";
  const sending = "`parked replay <queue> <group>`, `discard`";
  const verbs: readonly (readonly [row: string, verb: Verb])[] = [
    ["`parked list`", ({ connection }) => exhaust(listGroups({ connection }))],
    ["`parked list <queue>`", ({ queue }) => exhaust(listGroups(queue))],
    [listing, ({ group }) => exhaust(listMessages(group))],
    [listing, ({ group }) => show(group)],
    [listing, ({ group }) => readPayload(group)],
    [listing, ({ group }) => planReplay(group)],
    [listing, ({ message }) => planDiscard(message)],
    [sending, ({ group }) => replay(group)],
    [sending, ({ message }) => discard(message)],
    ["`parked replay <queue> --all`", ({ queue }) => replay(queue)],
    ["`parked edit`", ({ message }) => edit(message)],
  ];
  for (const [row, verb] of verbs) {
    const connection = await connect({ local: world.folder });
    const calls = watchCalls(connection);
    await verb(of(connection));
    connection.close();
    assert.deepEqual(calls, grantedTo(row), `${row}: ${verb}`);
  }
});
