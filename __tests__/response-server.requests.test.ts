import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createResponseServer, type ResponseServer } from "../runtime/response-server/app.ts";

interface Served extends AsyncDisposable {
  readonly server: ResponseServer;
  post(body: string, headers?: Record<string, string>): Promise<{ status: number; text: string }>;
  requests(): Promise<readonly string[]>;
  sequences(): Promise<readonly string[]>;
  readonly logged: readonly string[];
}

async function serve(options: { honourTimeOut?: boolean; bodyLimitBytes?: number } = {}): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), "response-server-"));
  const logged: string[] = [];
  const server = await createResponseServer({
    port: 0,
    host: "127.0.0.1",
    logDirectory: join(folder, "logs"),
    honourTimeOut: options.honourTimeOut ?? false,
    bodyLimitBytes: options.bodyLimitBytes ?? 1_572_864,
    log: (event, fields) => logged.push(JSON.stringify({ event, ...fields })),
  });
  const lines = async (name: string) => {
    const text = await readFile(join(folder, "logs", name), "utf8");
    assert.ok(text === "" || text.endsWith("\n"));
    return text.split("\n").slice(0, -1);
  };
  return {
    server,
    logged,
    async post(body, headers = {}) {
      const response = await fetch(server.url, { method: "POST", body, headers });
      assert.equal(response.headers.get("content-type"), "application/json");
      return { status: response.status, text: await response.text() };
    },
    requests: () => lines("res_server.txt"),
    sequences: () => lines("res_server_Seq.txt"),
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test("answers with data.http_status and the request, and writes both lines before", async () => {
  await using served = await serve();
  const body = '{"data":{"MessageGroupID":"10","transSeq":"1","time_out":0.5,"http_status":418}}';
  const headers = {
    "idempotency-key": "queue-1/10/one",
    "x-message-id": "id-1",
    "x-message-group-id": "10",
    "x-message-sequence-number": "18870000000000000001",
    "x-message-attempt": "2",
  };
  const { status, text } = await served.post(body, headers);
  assert.equal(status, 200);
  assert.equal(text, `{"status_code":418,"content":${body}}`);
  const [line, ...others] = await served.requests();
  assert.equal(others.length, 0);
  const written: unknown = JSON.parse(line ?? "");
  assert.ok(typeof written === "object" && written !== null);
  const { receivedAt, ...rest } = written as Record<string, unknown>;
  assert.match(String(receivedAt), /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(rest, {
    data: { MessageGroupID: "10", transSeq: "1", time_out: 0.5, http_status: 418 },
    idempotencyKey: "queue-1/10/one",
    messageId: "id-1",
    groupId: "10",
    sequenceNumber: "18870000000000000001",
    attempt: 2,
    bodyBytes: Buffer.byteLength(body),
  });
  assert.deepEqual(await served.sequences(), ["1"]);
});

test("answers 200 when data has no http_status, and takes a request without any header", async () => {
  await using served = await serve();
  assert.equal((await served.post('{"data":{}}')).text, '{"status_code":200,"content":{"data":{}}}');
  assert.equal((await served.requests()).length, 1);
  assert.deepEqual(await served.sequences(), []);
});

test("repeats an http_status that is no number as it is, null too: whoever asks for it decides what it means", async () => {
  await using served = await serve();
  for (const status of ["null", '"200"', "true"]) {
    const body = `{"data":{"http_status":${status}}}`;
    assert.equal((await served.post(body)).text, `{"status_code":${status},"content":${body}}`);
  }
});

test("keeps the data byte for byte, on one line", async () => {
  await using served = await serve();
  const data = '{"MessageGroupID":"10",\r\n "n":12345678901234567890,"t":"a\\nb \\u00e4 ä 😀 \u2028","z":1.0}';
  const { text } = await served.post(`\n{"more":[1],\n"data":${data}}\n`);
  const oneLine = `{"more":[1], "data":${data.replaceAll(/[\r\n]/g, " ")}}`;
  assert.equal(text, `{"status_code":200,"content":${oneLine}}`);
  const [line, ...others] = await served.requests();
  assert.equal(others.length, 0);
  assert.ok(line?.startsWith(`${oneLine.slice(0, -1)},"receivedAt":`), line);
});

test("writes a transSeq as it was sent, one line each", async () => {
  await using served = await serve();
  for (const sequence of ['"1"', "2", "12345678901234567890123", '"a\\nb"', "null", "[1]"]) {
    await served.post(`{"a":{"data":{"transSeq":5}},"data":{"x":{"transSeq":7},"transSeq":${sequence}},"transSeq":9}`);
  }
  assert.deepEqual(await served.sequences(), ["1", "2", "12345678901234567890123", '"a\\nb"', "null", "[1]"]);
});

test("gives a repeated key the first answer and writes no second line", async () => {
  await using served = await serve();
  const body = '{"data":{"transSeq":"1","http_status":"200","t":"ä"}}';
  const first = await served.post(body, { "idempotency-key": "k" });
  assert.deepEqual(await served.post(body, { "idempotency-key": "k" }), first);
  assert.deepEqual(await served.post('{"data":{"transSeq":"2"}}', { "idempotency-key": "k" }), first);
  await served.post(body, { "idempotency-key": "other" });
  assert.equal((await served.requests()).length, 2);
  assert.deepEqual(await served.sequences(), ["1", "1"]);
});

test("deals anew with a refused key whose body was edited, and with no other one", async () => {
  await using served = await serve();
  const refused = '{"data":{"transSeq":"1","http_status":422}}';
  const edited = '{"data":{"transSeq":"1","http_status":200}}';
  const key = { "idempotency-key": "k" };
  const first = await served.post(refused, key);
  assert.match(first.text, /^{"status_code":422,/);
  assert.deepEqual(await served.post(refused, key), first);
  assert.equal((await served.requests()).length, 1);
  const second = await served.post(edited, key);
  assert.match(second.text, /^{"status_code":200,/);
  assert.deepEqual(await served.post(refused, key), second);
  assert.equal((await served.requests()).length, 2);
});

test("writes once when the same key comes several times at the same moment", async () => {
  await using served = await serve();
  const body = '{"data":{"transSeq":"1"}}';
  const answers = await Promise.all(Array.from({ length: 20 }, () => served.post(body, { "idempotency-key": "k" })));
  assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1);
  assert.equal((await served.requests()).length, 1);
  assert.deepEqual(await served.sequences(), ["1"]);
});

test("never mixes lines of requests that come at the same moment", async () => {
  await using served = await serve();
  const bodies = Array.from({ length: 300 }, (_, n) => {
    const filler = "x".repeat((n * 37) % 5_000);
    return `{"data":{"transSeq":"${n}","filler":"${filler}"}}`;
  });
  const answers = await Promise.all(bodies.map((body, n) => served.post(body, { "idempotency-key": `k${n}` })));
  assert.deepEqual(
    answers.map((answer) => answer.text),
    bodies.map((body) => `{"status_code":200,"content":${body}}`),
  );
  const again = await Promise.all(bodies.map((_, n) => served.post('{"data":{}}', { "idempotency-key": `k${n}` })));
  assert.deepEqual(again, answers);
  const lines = await served.requests();
  assert.deepEqual(
    lines.map((line) => `${line.slice(0, line.lastIndexOf(',"idempotencyKey"'))}}`).toSorted(),
    bodies.toSorted(),
  );
  assert.deepEqual(
    (await served.sequences()).map(Number).toSorted((a, b) => a - b),
    [...bodies.keys()],
  );
});

const refusals: readonly (readonly [string, string | Uint8Array<ArrayBuffer>, number, string])[] = [
  ["no JSON", "data", 400, "INVALID_JSON"],
  ["nothing", "", 400, "INVALID_JSON"],
  ["bytes that are not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), 400, "INVALID_JSON"],
  ["no data", "{}", 400, "MISSING_DATA"],
  ["data that is an array", '{"data":[]}', 400, "MISSING_DATA"],
  ["data that is null", '{"data":null}', 400, "MISSING_DATA"],
  ["an array", '[{"data":{}}]', 400, "MISSING_DATA"],
  ["data from the prototype", '{"__proto__":{"data":{}}}', 400, "MISSING_DATA"],
  ["more than the limit", `{"data":{"x":"${"x".repeat(2_000)}"}}`, 413, "BODY_TOO_LARGE"],
];

test("refuses what it cannot take with a code, stays up, and writes nothing", async () => {
  await using served = await serve({ bodyLimitBytes: 1_000 });
  for (const [name, body, status, code] of refusals) {
    const response = await fetch(served.server.url, { method: "POST", body });
    const answer = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, status, name);
    assert.equal(answer["code"], code, name);
    assert.equal(typeof answer["message"], "string");
    assert.deepEqual(Object.keys(answer), ["message", "code"]);
  }
  assert.deepEqual(await served.requests(), []);
  assert.equal((await fetch(`${served.server.url}health`)).status, 200);
});

test("refuses a body over the limit whose length was not announced, and the largest one passes", async () => {
  await using served = await serve();
  const chunk = new TextEncoder().encode("x".repeat(65_536));
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += chunk.length;
      controller.enqueue(chunk);
      if (sent > 4_000_000) controller.close();
    },
  });
  const init = { method: "POST", body: endless, duplex: "half" };
  const response = await fetch(served.server.url, init);
  assert.equal(response.status, 413);
  const frame = '{"data":{"x":""}}'.length;
  const largest = `{"data":{"x":"${"x".repeat(1_572_864 - frame)}"}}`;
  assert.equal((await served.post(largest)).status, 200);
});

test("says 404 in JSON for what it does not serve", async () => {
  await using served = await serve();
  for (const [method, path] of [
    ["GET", ""],
    ["POST", "health"],
    ["PUT", ""],
    ["GET", "logs/res_server.txt"],
  ] as const) {
    const response = await fetch(`${served.server.url}${path}`, { method });
    assert.equal(response.status, 404);
    assert.equal(((await response.json()) as Record<string, unknown>)["code"], "NOT_FOUND");
  }
  const health = await fetch(`${served.server.url}health`);
  assert.deepEqual(await health.json(), { status: "ok" });
});

test("waits for data.time_out only when it is to honour it, and only the first time", async () => {
  const body = '{"data":{"time_out":20}}';
  const honours = await serve({ honourTimeOut: true });
  let answered = false;
  const slow = honours.post(body, { "idempotency-key": "k" }).then((answer) => {
    answered = true;
    return answer;
  });
  while ((await honours.requests()).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  // Its line is on disk, so a repetition has nothing to wait for.
  const repetition = await honours.post(body, { "idempotency-key": "k" });
  await using ignores = await serve();
  await ignores.post(body);
  assert.equal(answered, false);
  // The server's end is also the end of waiting.
  await honours[Symbol.asyncDispose]();
  assert.deepEqual(await slow, repetition);
});

test("says nothing of bodies and keys in its own log", async () => {
  await using served = await serve();
  await served.post('{"data":{"s3cret":1}}', { "idempotency-key": "k3y" });
  await served.post("s3cret");
  assert.ok(!/s3cret|k3y/.test(served.logged.join()));
});
