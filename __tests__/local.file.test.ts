import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LocalFileError, readLocalFile, removeLocalFile, writeLocalFile } from "../runtime/local/local-file.ts";
import { dataFolder, startProcess } from "./helpers/local-process.ts";

const endpoints = {
  sqs: "http://127.0.0.1:41001",
  dynamodb: "http://127.0.0.1:41002",
  gateway: "http://127.0.0.1:41003/kimalarm",
};
const running = { deployment: "dev", region: "ap-northeast-2", endpoints };

const failsWith = (code: LocalFileError["code"], message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof LocalFileError);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test("what is written is read back, readable by all, and no longer once it is removed", async (t) => {
  const data = await dataFolder(t);
  writeLocalFile(data, running);
  assert.deepEqual(readLocalFile(data), running);
  const file = join(data, "local.json");
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { ...running, pid: process.pid });
  assert.equal(statSync(file).mode & 0o777, 0o644 & ~process.umask());
  removeLocalFile(data);
  removeLocalFile(data);
  assert.throws(
    () => readLocalFile(data),
    failsWith("NOT_RUNNING", /^no local mode is running in .*: npm start -- --/),
  );
});

test("says how to start it, for the folder that was asked for", () => {
  const folder = "no-such-folder";
  const expected = `no local mode is running in ${folder}: npm start -- --data ${folder}`;
  assert.throws(() => readLocalFile(folder), { message: expected, code: "NOT_RUNNING" });
});

test("a file whose process is gone, as kill -9 leaves it, is none", async (t) => {
  const data = await dataFolder(t);
  const { pid } = spawnSync(process.execPath, ["--version"]);
  writeFileSync(join(data, "local.json"), JSON.stringify({ ...running, pid }));
  const said = new RegExp(`was process ${pid}, which is gone: npm start -- --data `);
  assert.throws(() => readLocalFile(data), failsWith("NOT_RUNNING", said));
});

test("refuses a file that is none of local mode's, and names it", async (t) => {
  const data = await dataFolder(t);
  const { region: _region, ...incomplete } = { ...running, pid: process.pid };
  const wrongUrl = { ...running, endpoints: { ...endpoints, sqs: "here" }, pid: process.pid };
  for (const text of ["", "{", "[]", JSON.stringify(incomplete), JSON.stringify(wrongUrl)]) {
    writeFileSync(join(data, "local.json"), text);
    assert.throws(
      () => readLocalFile(data),
      failsWith("NOT_A_LOCAL_FILE", /local\.json is not what .*delete the file/),
    );
  }
});

test("npm start writes it when everything listens, in place of an older one, and an orderly stop removes it", async (t) => {
  const data = await dataFolder(t);
  writeLocalFile(data, running);
  const local = startProcess(t, ["--messages", "0", "--data", data]);
  await local.matches(/serving; Ctrl-C/);
  const found = readLocalFile(data);
  assert.equal(found.deployment, "dev");
  const text = readFileSync(join(data, "local.json"), "utf8");
  assert.equal(JSON.parse(text).pid, local.child.pid);
  for (const [name, url] of Object.entries(found.endpoints)) {
    const answer = await fetch(url, { method: "POST", body: "{}" });
    assert.ok(answer.status >= 400, `${name} answers`);
    await answer.body?.cancel();
    assert.ok(local.stdout().includes(url), `${name} is what npm start says`);
  }
  for (const key of Object.values(JSON.parse(readFileSync(join(data, "keys.json"), "utf8")))) {
    assert.ok(typeof key === "string" && !text.includes(key), "it has no key");
  }
  local.child.kill("SIGTERM");
  assert.equal(await local.ended, 0, local.stderr());
  assert.equal(existsSync(join(data, "local.json")), false);
});
