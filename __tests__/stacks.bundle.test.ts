import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleFunction } from "../stacks/bundle.ts";

test("a function that every deployment has is bundled once in a synth", () => {
  assert.equal(bundleFunction("runtime/consumer/lambda.ts"), bundleFunction("runtime/consumer/lambda.ts"));
});

test("another function is another bundle", () => {
  const [consumer, responseServer] = [
    bundleFunction("runtime/consumer/lambda.ts"),
    bundleFunction("runtime/response-server/main.ts"),
  ];
  assert.notEqual(consumer.sourceCodeHash, responseServer.sourceCodeHash);
});
