import assert from "node:assert/strict";
import { appendFile, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { post, startServerProcess, withFolder } from "./helpers/response-server-process.ts";

const body = (transSeq: string, http_status = 200) => JSON.stringify({ data: { transSeq, http_status } });

/** What logrotate does to both logs: `.1` becomes `.2`, and so on; nothing new is made. */
async function rotate(folder: string): Promise<void> {
  const rotated = (await readdir(folder)).toSorted((one, other) => other.localeCompare(one, "en", { numeric: true }));
  for (const name of rotated) {
    const number = Number(/\.txt\.(\d+)$/.exec(name)?.[1] ?? 0);
    await rename(join(folder, name), join(folder, `${name.replace(/\.\d+$/, "")}.${number + 1}`));
  }
}

test("answers a key as before when its file was rotated away, also while the server was running", () =>
  withFolder(async (LOG_DIR) => {
    await using first = await startServerProcess({ LOG_DIR });
    const a = await post(first.url, "a", body("1"));
    await rotate(LOG_DIR);
    const b = await post(first.url, "b", body("2"));
    assert.equal(await first.kill("SIGTERM"), 0);
    assert.deepEqual((await readdir(LOG_DIR)).toSorted(), ["res_server.txt.1", "res_server_Seq.txt.1"]);

    await using second = await startServerProcess({ LOG_DIR });
    const c = await post(second.url, "c", body("3"));
    assert.equal(await second.kill("SIGTERM"), 0);
    await rotate(LOG_DIR);

    await using third = await startServerProcess({ LOG_DIR });
    const opened = third.logged.find((line) => line["event"] === "journal.opened");
    assert.deepEqual({ keys: opened?.["keys"], rotatedFiles: opened?.["rotatedFiles"] }, { keys: 3, rotatedFiles: 2 });
    for (const [key, answer] of Object.entries({ a, b, c })) {
      assert.equal(await post(third.url, key, body("other")), answer);
    }
    assert.equal(await readFile(join(LOG_DIR, "res_server.txt"), "utf8"), "", "a repetition is written nowhere");
    await third.kill("SIGTERM");
  }));

test("goes by the latest file that has a key, the tenth being older than the second", () =>
  withFolder(async (LOG_DIR) => {
    await using first = await startServerProcess({ LOG_DIR });
    await post(first.url, "k", body("refused", 500));
    await first.kill("SIGTERM");
    await rename(join(LOG_DIR, "res_server.txt"), join(LOG_DIR, "res_server.txt.10"));
    await using second = await startServerProcess({ LOG_DIR });
    const edited = await post(second.url, "k", body("edited"));
    assert.match(edited, /"transSeq":"edited"/);
    await second.kill("SIGTERM");
    await rename(join(LOG_DIR, "res_server.txt"), join(LOG_DIR, "res_server.txt.2"));
    await using third = await startServerProcess({ LOG_DIR });
    assert.equal(await post(third.url, "k", body("refused", 500)), edited);
    await third.kill("SIGTERM");
  }));

test("knows a key no longer once its file is deleted", () =>
  withFolder(async (LOG_DIR) => {
    await using first = await startServerProcess({ LOG_DIR });
    await post(first.url, "k", body("1"));
    await first.kill("SIGTERM");
    await rotate(LOG_DIR);
    await rm(join(LOG_DIR, "res_server.txt.1"));
    await using second = await startServerProcess({ LOG_DIR });
    assert.match(await post(second.url, "k", body("2")), /"transSeq":"2"/);
    await second.kill("SIGTERM");
  }));

test("leaves a rotated file as it is, and reads no other one in the folder", () =>
  withFolder(async (LOG_DIR) => {
    await using first = await startServerProcess({ LOG_DIR });
    const answer = await post(first.url, "k", body("1"));
    await first.kill("SIGTERM");
    await rotate(LOG_DIR);
    const rotated = join(LOG_DIR, "res_server.txt.1");
    await appendFile(rotated, '{"data":{},"idempotencyKey":"to');
    const before = await readFile(rotated);
    const line = (await readFile(rotated, "utf8"))
      .split("\n")[0]
      ?.replace('"idempotencyKey":"k"', '"idempotencyKey":"x"');
    for (const name of ["res_server.txt.1.gz", "res_server.txt.old", "res_server.txt-1"]) {
      await writeFile(join(LOG_DIR, name), `${line}\n`);
    }

    await using second = await startServerProcess({ LOG_DIR });
    const opened = second.logged.find((logged) => logged["event"] === "journal.opened");
    assert.equal(opened?.["keys"], 1);
    assert.equal(opened?.["cutBytes"], 0);
    assert.equal(await post(second.url, "k", body("2")), answer);
    assert.match(await post(second.url, "x", body("3")), /"transSeq":"3"/);
    await second.kill("SIGTERM");
    assert.deepEqual(await readFile(rotated), before);
  }));
