import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleFunction, bundleModule } from "../stacks/bundle.ts";

test("what every deployment of a synth has is bundled once", () => {
  assert.equal(bundleModule("runtime/consumer/lambda.ts"), bundleModule("runtime/consumer/lambda.ts"));
});

test("another function is another bundle", () => {
  const [consumer, responseServer] = [
    bundleFunction("runtime/consumer/lambda.ts"),
    bundleFunction("runtime/response-server/main.ts"),
  ];
  assert.notEqual(consumer.sourceCodeHash, responseServer.sourceCodeHash);
});
