import assert from "node:assert/strict";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readServerEnvironment, ServerConfigurationError } from "../runtime/response-server/environment.ts";
import { post, startServerProcess, withFolder } from "./helpers/response-server-process.ts";

test("has every answered request on disk after a kill, and answers their keys as before", () =>
  withFolder(async (LOG_DIR) => {
    await using first = await startServerProcess({ LOG_DIR });
    const answers = new Map<string, string>();
    const bodies = new Map<string, string>();
    let stop = false;
    const senders = Array.from({ length: 8 }, async (_, sender) => {
      for (let n = 0; !stop; n += 1) {
        const key = `${sender}-${n}`;
        const body = `{"data":{"transSeq":"${key}","http_status":${sender % 2 === 0 ? 200 : 500},\n"big":1234567890123456789${n}}}`;
        const answer = await post(first.url, key, body).catch(() => undefined);
        if (answer === undefined) return;
        answers.set(key, answer);
        bodies.set(key, body);
        if (answers.size > 200) stop = true;
      }
    });
    await Promise.race(senders);
    assert.equal(await first.kill("SIGKILL"), "SIGKILL");
    stop = true;
    await Promise.all(senders);
    // As if the kill had come in the middle of a write.
    await appendFile(join(LOG_DIR, "res_server.txt"), '{"data":{"transSeq":"torn"},"idempotencyKey":"to');
    await appendFile(join(LOG_DIR, "res_server_Seq.txt"), "tor");

    await using second = await startServerProcess({ LOG_DIR });
    const opened = second.logged.find((line) => line["event"] === "journal.opened");
    assert.ok(Number(opened?.["cutBytes"]) >= 50, JSON.stringify(opened));
    assert.ok(Number(opened?.["keys"]) >= answers.size);
    for (const [key, answer] of answers) assert.equal(await post(second.url, key, bodies.get(key) ?? ""), answer);
    await post(second.url, "torn", '{"data":{"transSeq":"torn"}}');
    assert.equal(await second.kill("SIGTERM"), 0);

    const lines = (await readFile(join(LOG_DIR, "res_server.txt"), "utf8")).split("\n").slice(0, -1);
    const keys = lines.map((line) => String((JSON.parse(line) as Record<string, unknown>)["idempotencyKey"]));
    assert.equal(new Set(keys).size, keys.length);
    for (const key of answers.keys()) assert.ok(keys.includes(key));
    assert.equal(keys.at(-1), "torn");
    const sequences = new Set((await readFile(join(LOG_DIR, "res_server_Seq.txt"), "utf8")).split("\n"));
    for (const key of keys) assert.ok(sequences.has(key));
  }));

test("finishes what has begun when it is asked to end", () =>
  withFolder(async (LOG_DIR) => {
    await using server = await startServerProcess({ LOG_DIR, HONOUR_TIME_OUT: "true" });
    const slow = post(server.url, "k", '{"data":{"transSeq":"1","time_out":20}}');
    // On disk means that it waits now.
    while (!(await readFile(join(LOG_DIR, "res_server.txt"), "utf8")).endsWith("\n")) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const [exit, answer] = await Promise.all([server.kill("SIGTERM"), slow]);
    assert.equal(exit, 0);
    assert.equal(answer, '{"status_code":200,"content":{"data":{"transSeq":"1","time_out":20}}}');
  }));

test("reads over lines that it did not write", () =>
  withFolder(async (LOG_DIR) => {
    const body = '{"data":{"t":"\\"bodyBytes\\":3}"}}';
    await using first = await startServerProcess({ LOG_DIR });
    const answer = await post(first.url, "k", body);
    await first.kill("SIGTERM");
    await appendFile(join(LOG_DIR, "res_server.txt"), 'a note\n\n{"bodyBytes":999}\n');
    await using second = await startServerProcess({ LOG_DIR });
    const opened = second.logged.find((line) => line["event"] === "journal.opened");
    assert.equal(opened?.["unreadableLines"], 3);
    assert.equal(await post(second.url, "k", '{"data":{}}'), answer);
    await second.kill("SIGTERM");
  }));

test("names a variable that makes no sense, its value and what was expected", () => {
  for (const [name, value] of [
    ["PORT", "eighty"],
    ["PORT", "70000"],
    ["HOST", ""],
    ["LOG_DIR", ""],
    ["HONOUR_TIME_OUT", "yes"],
    ["BODY_LIMIT_BYTES", "0"],
  ] as const) {
    assert.throws(
      () => readServerEnvironment({ [name]: value }),
      (error: unknown) =>
        error instanceof ServerConfigurationError &&
        error.message.startsWith(`${name} is ${JSON.stringify(value)}; expected `),
    );
  }
  assert.deepEqual(readServerEnvironment({}), {
    port: 8000,
    host: "127.0.0.1",
    logDirectory: "./logs",
    honourTimeOut: false,
    bodyLimitBytes: 1_572_864,
  });
});
