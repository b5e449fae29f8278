import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, readEnvironment } from "../runtime/consumer/environment.ts";

const arn = "arn:aws:sqs:ap-northeast-2:000000000000:dev-queue-1.fifo";
const queue = {
  name: "queue-1",
  url: "https://sqs.ap-northeast-2.amazonaws.com/000000000000/dev-queue-1.fifo",
  deadLetterUrl: "https://sqs.ap-northeast-2.amazonaws.com/000000000000/dev-queue-1-dead-letter.fifo",
  failurePolicy: "dead-letter",
  visibilityTimeoutSeconds: 360,
  retentionSeconds: 1_209_600,
  maxAttempts: 5,
};
const good = {
  BACKEND_URL: "http://10.0.1.5:8000/",
  BACKEND_TIMEOUT_MILLISECONDS: "10000",
  PARKING_LOT_TABLE: "dev-parking-lot",
  QUEUES: JSON.stringify({ [arn]: queue }),
};

test("reads what the stack writes", () => {
  assert.deepEqual(readEnvironment(good), {
    backendUrl: good.BACKEND_URL,
    backendTimeoutMilliseconds: 10_000,
    parkingLotTable: "dev-parking-lot",
    queues: new Map([[arn, queue]]),
  });
});

const bad: readonly (readonly [keyof typeof good, string | undefined, RegExp])[] = [
  ["BACKEND_URL", undefined, /^BACKEND_URL is missing; expected an absolute http/],
  ["BACKEND_URL", "10.0.1.5:8000", /^BACKEND_URL is "10\.0\.1\.5:8000"; expected/],
  ["BACKEND_URL", "ftp://10.0.1.5/", /^BACKEND_URL is "ftp:/],
  ["BACKEND_TIMEOUT_MILLISECONDS", undefined, /^BACKEND_TIMEOUT_MILLISECONDS is missing; expected a whole number/],
  ["BACKEND_TIMEOUT_MILLISECONDS", "10s", /is "10s"; expected a whole number/],
  ["BACKEND_TIMEOUT_MILLISECONDS", "0", /is "0"; expected a whole number/],
  ["PARKING_LOT_TABLE", "", /^PARKING_LOT_TABLE is ""; expected a DynamoDB/],
  ["QUEUES", undefined, /^QUEUES is missing; expected a JSON object/],
  ["QUEUES", "{}", /^QUEUES is empty; expected at least one queue/],
  ["QUEUES", "{", /^QUEUES is "\{"; expected a JSON object/],
  ["QUEUES", JSON.stringify({ "queue-1": queue }), /^QUEUES\["queue-1"\]/],
  ["QUEUES", JSON.stringify({ [arn]: { ...queue, maxAttempts: 0 } }), /\["maxAttempts"\] is "0"; expected/],
  ["QUEUES", JSON.stringify({ [arn]: { ...queue, failurePolicy: "drop" } }), /\["failurePolicy"\] is "\\"drop\\""/],
  ["QUEUES", JSON.stringify({ [arn]: { ...queue, url: "queue" } }), /\["url"\]/],
];

for (const [name, value, text] of bad) {
  test(`names ${name}, its value ${value ?? "(missing)"} and what was expected`, () => {
    assert.throws(
      () => readEnvironment({ ...good, [name]: value }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError && error.code === "INVALID_CONFIGURATION");
        assert.match(error.message, text);
        return true;
      },
    );
  });
}

test("does not repeat a password of the backend's URL", () => {
  assert.throws(
    () => readEnvironment({ ...good, BACKEND_URL: "http://user:s3cret@10.0.1.5/" }),
    (error: unknown) => error instanceof ConfigurationError && !error.message.includes("s3cret"),
  );
});
