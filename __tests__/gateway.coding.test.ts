import assert from "node:assert/strict";
import { request } from "node:http";
import { describe, test } from "node:test";
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { z } from "zod";
import { MAX_BODY_BYTES } from "../sdk/client/src/contract.ts";
import { changed, gatewayResources } from "./helpers/gateway-resources.ts";
import { bodyOfSize } from "./helpers/hostile-corpus.ts";
import { errorOf, gatewayBefore, gatewayWithQueue, sqsInPlace } from "./helpers/local-gateway.ts";

const BODY = '{"MessageGroupID":"10"}';

describe("a compressed request", () => {
  test("reaches the queue as the bytes that it stands for", async (t) => {
    const gateway = await gatewayWithQueue(t);
    for (const [coding, encode] of [
      ["gzip", gzipSync],
      ["deflate", deflateSync],
      ["GZip", gzipSync],
      ["identity", Buffer.from],
    ] as const) {
      // Each its own, or the queue would take it for one that it has.
      const body = `{"MessageGroupID":"10","text":"한😀&'","coding":"${coding}"}`;
      const answer = await gateway.post("/queue-1", encode(body), { headers: { "content-encoding": coding } });
      assert.equal(answer.status, 200, `${coding}: ${answer.text}`);
      const [queued] = await gateway.take();
      assert.equal(queued?.body, `{"data":${body}}`);
    }
  });

  test("of the largest body is taken", async (t) => {
    const gateway = await gatewayWithQueue(t);
    const body = bodyOfSize(MAX_BODY_BYTES, "x");
    const answer = await gateway.post("/queue-1", gzipSync(body), { headers: { "content-encoding": "gzip" } });
    assert.equal(answer.status, 200, answer.text);
    const [queued] = await gateway.take();
    assert(queued?.body === `{"data":${body}}`, "the body differs");
  });

  test("that is not what it says, or says what API Gateway does not know, is a 415, and nothing is queued", async (t) => {
    const gateway = await gatewayWithQueue(t);
    for (const [coding, bytes] of [
      ["gzip", Buffer.from(BODY)],
      ["gzip", gzipSync(BODY).subarray(0, 20)],
      ["gzip", deflateSync(BODY)],
      ["deflate", deflateRawSync(BODY)],
      ["br", Buffer.from(BODY)],
      ["gzip, gzip", gzipSync(gzipSync(BODY))],
    ] as const) {
      const answer = await gateway.post("/queue-1", bytes, { headers: { "content-encoding": coding } });
      assert.equal(errorOf(answer).code, "UNSUPPORTED_MEDIA_TYPE", coding);
    }
    assert.equal(await gateway.count(), 0);
  });

  test("that unfolds to more than the gateway takes is a 413", async (t) => {
    const gateway = await gatewayWithQueue(t);
    const bytes = gzipSync(Buffer.alloc(10_485_761, " "));
    assert.ok(bytes.length < 100_000);
    const answer = await gateway.post("/queue-1", bytes, { headers: { "content-encoding": "gzip" } });
    assert.equal(errorOf(answer).code, "MESSAGE_TOO_LARGE");
  });
});

describe("an answer", () => {
  /** What the route answers to this request, and in which coding. `minimum` is the API's. */
  const cases: readonly [minimum: string | undefined, accepts: string | undefined, coding: string | undefined][] = [
    ["0", "gzip", "gzip"],
    ["0", "deflate", "deflate"],
    ["0", "gzip, deflate, br", "gzip"],
    ["0", "br, deflate, gzip", "deflate"],
    ["0", "deflate;q=0.5, gzip;q=1.0", "gzip"],
    ["0", "br;q=1.0, gzip;q=0.5", undefined],
    ["0", "gzip;q=0", undefined],
    ["0", "identity", undefined],
    ["0", "*", undefined],
    ["0", undefined, undefined],
    ["1024", "gzip", undefined],
    ["-1", "gzip", undefined],
    [undefined, "gzip", undefined],
  ];

  for (const [minimum, accepts, coding] of cases) {
    test(`is ${coding ?? "as it is"} for ${accepts ?? "no wish"}, with a least size of ${minimum ?? "nothing"}`, async (t) => {
      const { headers, bytes } = await answered(t, minimum, accepts);
      assert.equal(headers["content-encoding"], coding);
      assert.equal(Number(headers["content-length"]), bytes.length);
      const plain = coding === "gzip" ? gunzipSync(bytes) : coding === "deflate" ? inflateSync(bytes) : bytes;
      assert.deepEqual(JSON.parse(plain.toString("utf8")), { messageId: "a1", sequenceNumber: "18849496460467696128" });
    });
  }

  test("of exactly the least size is compressed", async (t) => {
    const { bytes } = await answered(t, undefined, "gzip");
    assert.equal((await answered(t, String(bytes.length), "gzip")).headers["content-encoding"], "gzip");
    assert.equal((await answered(t, String(bytes.length + 1), "gzip")).headers["content-encoding"], undefined);
  });

  test("that API Gateway makes by itself stays as it is", async (t) => {
    const { status, headers, bytes } = await answered(t, "0", "gzip", "/no-such-queue");
    assert.equal(status, 404);
    assert.equal(headers["content-encoding"], undefined);
    assert.equal(z.object({ code: z.string() }).parse(JSON.parse(bytes.toString("utf8"))).code, "ROUTE_NOT_FOUND");
  });
});

async function answered(
  t: Parameters<typeof gatewayBefore>[0],
  minimum: string | undefined,
  accepts: string | undefined,
  path = "/queue-1",
) {
  const sqs = await sqsInPlace(t, (_, response) =>
    response.end(
      '{"SendMessageResponse":{"SendMessageResult":{"MessageId":"a1","SequenceNumber":"18849496460467696128"}}}',
    ),
  );
  const resources = changed(
    await gatewayResources(),
    "aws_api_gateway_rest_api",
    {},
    { minimum_compression_size: minimum },
  );
  const gateway = await gatewayBefore(t, { sqs, resources });
  const headers = {
    "content-type": "application/json",
    "x-api-key": gateway.key,
    ...(accepts === undefined ? {} : { "accept-encoding": accepts }),
  };
  return new Promise<{ status: number | undefined; headers: Readonly<Record<string, unknown>>; bytes: Buffer }>(
    (resolve, reject) => {
      const outgoing = request(`${gateway.url}${path}`, { method: "POST", headers }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () =>
          resolve({ status: incoming.statusCode, headers: incoming.headers, bytes: Buffer.concat(chunks) }),
        );
      });
      outgoing.on("error", reject);
      outgoing.end('{"MessageGroupID":"10"}');
    },
  );
}
