import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { splitLocal } from "../sdk/ops/src/commands/argv.ts";
import { connect } from "../sdk/ops/src/connection.ts";
import * as ops from "../sdk/ops/src/names.ts";
import { age, visible } from "../sdk/ops/src/output.ts";
import * as stacks from "../stacks/names.ts";
import { fifoOps, startFifoOps } from "./helpers/ops-command.ts";
import { startOpsConsumer } from "./helpers/ops-consumer.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

test("names queues and table as the stacks do", () => {
  const deployment = { name: "dev" };
  const queue = { name: "queue-1" };
  assert.equal(ops.queueName("dev", "queue-1"), stacks.queueName(deployment, queue));
  assert.equal(ops.deadLetterName("dev", "queue-1"), stacks.deadLetterName(deployment, queue));
  assert.equal(ops.parkingLotName("dev"), stacks.parkingLotName(deployment));
});

test("takes what follows --local for its folder only when that is a path", () => {
  assert.deepEqual(splitLocal(["parked", "replay", "--local", "queue-2", "10"]), [
    "parked",
    "replay",
    "--local=.local",
    "queue-2",
    "10",
  ]);
  assert.deepEqual(splitLocal(["--local", "./data", "--json"]), ["--local=./data", "--json"]);
  assert.deepEqual(splitLocal(["--local", "/tmp/x"]), ["--local=/tmp/x"]);
  assert.deepEqual(splitLocal(["--local", "--json"]), ["--local=.local", "--json"]);
  assert.deepEqual(splitLocal(["--local"]), ["--local=.local"]);
  assert.deepEqual(splitLocal(["--local=data", "--", "--local"]), ["--local=data", "--", "--local"]);
});

test("writes what a terminal would obey as JSON does", () => {
  assert.equal(visible("a\u001b[2J\u009b1m\u202eb\t한글\n"), "a\\u001b[2J\\u009b1m\\u202eb\t한글\n");
});

test("tells an age in its two largest units", () => {
  const ages = [0, 59, 61, 3_600, 90_061, -5].map((seconds) => age(0, seconds * 1_000));
  assert.deepEqual(ages, ["0s", "59s", "1m 1s", "1h 0m", "1d 1h", "0s"]);
  assert.equal(age(Number.NaN, 0), "-");
});

test("lists and shows on a table, and as one JSON document; bodies when they are asked for", async () => {
  await using world = await startOpsWorld();
  const [first, second] = await world.park("10", 2, () => ({
    body: '{"data":{"MessageGroupID":"10","text":"secret"}}',
  }));
  const local = ["--local", world.folder];
  const [table, json, limited, whole, payload] = await Promise.all([
    fifoOps(["parked", "list", ...local]),
    fifoOps(["parked", "list", "--json", ...local]),
    fifoOps(["parked", "list", "queue-2", "--group", "10", "--limit", "1", ...local]),
    fifoOps(["parked", "show", "queue-2", "10", "--body", ...local]),
    fifoOps(["parked", "show", "queue-2", "10", "--payload", ...local]),
  ]);
  assert.match(table.out, new RegExp(`queue-2 +│ 10 +│ ${first?.sequenceNumber}`));
  const { groups, more } = JSON.parse(json.out);
  assert.deepEqual([groups.length, groups[0].groupId, more], [1, "10", false]);
  assert.ok(limited.out.includes(first?.sequenceNumber ?? "") && !limited.out.includes(second?.sequenceNumber ?? ""));
  assert.match(limited.err, new RegExp(`--after ${first?.sequenceNumber}`));
  assert.match(whole.out, /^idempotency key +\S+$/m);
  assert.match(whole.out, /secret/);
  assert.equal(payload.out, '{"MessageGroupID":"10","text":"secret"}');
  for (const { out, err, code } of [table, json, limited]) {
    assert.equal(code, 0);
    assert.ok(!`${out}${err}`.includes("secret"));
    assert.ok(!out.includes("\u001b"));
  }
});

test("replays, edits and discards; the exit code says what came of it", async () => {
  await using world = await startOpsWorld();
  const accepted = { body: '{"status_code":200}' };
  await using backend = await startBackend(accepted, { status: 422 }, accepted);
  const [, second, third] = await world.park("10", 3);
  const [number, last] = [second?.sequenceNumber ?? "", third?.sequenceNumber ?? ""];
  await using consumer = startOpsConsumer(world, backend.url);
  const local = ["--local", world.folder];

  const stopped = await fifoOps(["parked", "replay", "queue-2", "10", ...local]);
  assert.equal(stopped.code, 4);
  assert.match(stopped.out, new RegExp(`1 delivered, stopped at ${number}: rejected, .*422; 2 still parked`));
  assert.match(stopped.err, /0 of 3 messages delivered/);

  const discarded = await fifoOps([
    "parked",
    "discard",
    "queue-2",
    "10",
    last,
    "--reason",
    "a test",
    "--yes",
    ...local,
  ]);
  assert.equal(discarded.code, 0, discarded.err);
  assert.match(discarded.out, /discarded; what is behind it stays parked/);

  const payload = '{"MessageGroupID":"10","n":"edited"}';
  const edit = ["parked", "edit", "queue-2", "10", number, "--file", "-", "--json", ...local];
  const edited = await fifoOps([...edit, "--yes"], { input: payload });
  assert.equal(edited.code, 0, edited.err);
  assert.equal(JSON.parse(edited.out).result, "edited");

  const delivered = await fifoOps(["parked", "replay", "queue-2", "--all", "--json", ...local]);
  assert.equal(delivered.code, 0, delivered.err);
  assert.equal(JSON.parse(delivered.out).groups[0].result, "delivered");
  assert.equal(backend.received.at(-1)?.body.toString(), `{"data":${payload}}`);
  assert.equal(backend.received.length, 3);
  assert.deepEqual(consumer.errors(), []);
});

test("sends nothing without a confirmation, on a dry run, or on a usage error", async () => {
  await using world = await startOpsWorld();
  const [first] = await world.park("10", 1);
  const number = first?.sequenceNumber ?? "";
  const local = ["--local", world.folder];
  const message = ["queue-2", "10", number];
  const input = '{"MessageGroupID":"10","text":"secret"}';
  const [discard, edit, dryDiscard, dryReplay, both, badTimeout] = await Promise.all([
    fifoOps(["parked", "discard", ...message, "--reason", "a test", ...local]),
    fifoOps(["parked", "edit", ...message, "--file", "-", ...local], { input }),
    fifoOps(["parked", "discard", ...message, "--reason", "a test", "--dry-run", "--json", ...local]),
    fifoOps(["parked", "replay", "queue-2", "--all", "--dry-run", ...local]),
    fifoOps(["parked", "replay", "queue-2", "10", "--all", ...local]),
    fifoOps(["parked", "replay", "queue-2", "10", "--timeout", "soon", ...local]),
  ]);
  for (const ran of [discard, edit]) {
    assert.equal(ran.code, 2);
    assert.match(
      ran.err,
      new RegExp(`message ${number} of group 10 in queue-2 .*nothing was changed\\. --yes confirms`),
    );
    assert.ok(!`${ran.out}${ran.err}`.includes("secret"));
  }
  for (const ran of [dryDiscard, dryReplay]) assert.equal(ran.code, 0, ran.err);
  assert.equal(JSON.parse(dryDiscard.out).message.sequenceNumber, number);
  assert.match(dryReplay.out, new RegExp(`10 +│ +1 │ ${number} │ ${number}`));
  for (const ran of [both, badTimeout]) {
    assert.equal(ran.code, 2, ran.out);
    assert.equal(ran.out, "");
  }
  assert.match(both.err, /parked replay <queue> <group>, or parked replay <queue> --all/);
  assert.match(badTimeout.err, /a whole number from 1 to 86400/);
  assert.equal(await world.waiting("queue-2"), 0);
});

test("a payload on stdin is taken byte for byte, so what a file could not hold is refused there, too", async () => {
  await using world = await startOpsWorld();
  const [first] = await world.park("10", 1);
  const edit = ["parked", "edit", "queue-2", "10", first?.sequenceNumber ?? "", "--file", "-", "--dry-run", "--json"];
  const payload = new TextEncoder().encode('{"MessageGroupID":"10","text":"secret"}');
  const [plain, marked, broken] = await Promise.all(
    [payload, [0xef, 0xbb, 0xbf, ...payload], [...payload.slice(0, -2), 0xff, ...payload.slice(-2)]].map((input) =>
      fifoOps([...edit, `--local=${world.folder}`], { input: Uint8Array.from(input) }),
    ),
  );
  assert.equal(JSON.parse(plain?.out ?? "").bytes, payload.length + '{"data":}'.length);
  for (const [ran, message] of [
    [marked, /byte order mark/],
    [broken, /not in UTF-8/],
  ] as const) {
    const { error } = JSON.parse(ran?.out ?? "");
    assert.deepEqual([ran?.code, error.code], [1, "PAYLOAD_REFUSED"]);
    assert.match(error.message, message);
    assert.ok(!ran?.err.includes("secret"));
  }
});

test("says a usage error as JSON, too", async () => {
  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [["parked", "list", "--nope"], /^unknown option '--nope'$/],
    [["parked", "replay"], /^missing required argument 'queue'$/],
    [["parked", "replay", "queue-2", "10", "--timeout", "soon"], /whole number from 1 to 86400/],
    [["nope"], /^unknown command 'nope'$/],
    [["parked", "replay", "queue-2", "10", "--all", "--deployment", "dev"], /^expected one of the two/],
  ];
  const env = { AWS_REGION: "ap-northeast-2" };
  const ran = await Promise.all(wrong.map(([args]) => fifoOps([...args, "--json"], { env })));
  for (const [index, { code, out, err }] of ran.entries()) {
    const { error } = JSON.parse(out);
    assert.deepEqual([code, error.code], [2, "INVALID_ARGUMENT"]);
    assert.match(error.message, wrong[index]?.[1] ?? /^$/);
    assert.ok(err.includes(error.message));
  }
});

test("what to do next is named with the deployment that was given", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend({ status: 422 });
  await world.park("a'b$c", 2);
  await using consumer = startOpsConsumer(world, backend.url);
  const local = `--local=${world.folder}`;
  const stopped = await fifoOps(["parked", "replay", "queue-2", "a'b$c", local, "--deployment", "dev"]);
  const expected = `next: fifo-ops parked show queue-2 'a'\\''b$c' --deployment dev ${local}, then edit`;
  assert.ok(stopped.out.includes(expected), stopped.out);
  assert.deepEqual(consumer.errors(), []);
});

test("a replay that outlasts the wait exits with 3, says that it goes on, and is in the queue", async () => {
  await using world = await startOpsWorld();
  await world.park("10", 1);
  const late = await fifoOps(["parked", "replay", "queue-2", "10", "--timeout", "1", "--local", world.folder]);
  assert.equal(late.code, 3);
  assert.match(late.out, /0 delivered, 1 still parked; replay \d{20} goes on without us/);
  assert.equal(await world.waiting("queue-2"), 1);
});

test("Ctrl-C ends the wait and not the replay", async () => {
  await using world = await startOpsWorld();
  await world.park("10", 1);
  const { child, ran } = startFifoOps(["parked", "replay", "queue-2", "10", "--local", world.folder]);
  while ((await world.waiting("queue-2")) < 1) await sleep(5);
  child.kill("SIGINT");
  const { code, out } = await ran;
  assert.equal(code, 130);
  assert.match(out, /replay \d{20} goes on without us/);
});

test("connects to what was asked for, or says what is missing", async () => {
  await using world = await startOpsWorld();
  const refused = { code: "INVALID_ARGUMENT" } as const;
  await assert.rejects(connect({}), { ...refused, message: /--deployment <name>.*--local/ });
  await assert.rejects(connect({ deployment: "Dev" }), { ...refused, message: /deployment is "Dev"/ });
  const other = { local: world.folder, deployment: "prod" };
  await assert.rejects(connect(other), { ...refused, message: /deployment is prod, .* runs dev/ });
  const elsewhere = { local: world.folder, region: "eu-west-1" };
  await assert.rejects(connect(elsewhere), { ...refused, message: /region is eu-west-1, .* runs ap-northeast-2/ });
  const connection = await connect({ local: world.folder, deployment: "dev" });
  assert.deepEqual(await ops.queueNames(connection), ["queue-1", "queue-2"]);
  connection.close();
});

test("says the way out when there is nothing to talk to, and what it says it says as JSON, too", async () => {
  await using world = await startOpsWorld();
  const aws = { AWS_ENDPOINT_URL: world.endpoints.sqs, AWS_ENDPOINT_URL_DYNAMODB: world.endpoints.dynamodb };
  const keys = { AWS_ACCESS_KEY_ID: "any", AWS_SECRET_ACCESS_KEY: "topsecret" };
  const region = { AWS_REGION: "ap-northeast-2" };
  const [noLocal, noRegion, noKeys, found, gone] = await Promise.all([
    fifoOps(["parked", "list", "--local", "./nowhere", "--json"]),
    fifoOps(["parked", "list", "--deployment", "dev"], { env: keys }),
    fifoOps(["parked", "list", "--deployment", "dev"], { env: { ...aws, ...region } }),
    fifoOps(["parked", "list", "queue-1", "--deployment", "dev", "--region", "ap-northeast-2"], {
      env: { ...aws, ...keys },
    }),
    fifoOps(["parked", "list", "--deployment", "dev"], {
      env: { ...keys, ...region, AWS_ENDPOINT_URL: "http://127.0.0.1:9", AWS_MAX_ATTEMPTS: "1" },
    }),
  ]);
  assert.deepEqual([noLocal.code, JSON.parse(noLocal.out).error.code], [1, "NOT_RUNNING"]);
  assert.match(noLocal.err, /npm start -- --data \.\/nowhere/);
  assert.match(noRegion.err, /--region <region>, AWS_REGION/);
  assert.match(noKeys.err, /AWS_PROFILE or AWS_ACCESS_KEY_ID/);
  assert.deepEqual([found.code, found.out], [0, "nothing is parked in queue-1\n"]);
  assert.match(gone.err, /ECONNREFUSED/);
  for (const { code, out, err } of [noRegion, noKeys, gone]) {
    assert.equal(code, 1, err);
    assert.ok(!`${out}${err}`.includes("topsecret"));
  }
});
