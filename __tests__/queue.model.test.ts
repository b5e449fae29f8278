import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { QueueEngine } from "../runtime/local/queue/engine.ts";
import { SqsError } from "../runtime/local/queue/errors.ts";
import type { ReceivedMessage } from "../runtime/local/queue/message.ts";
import { DEAD_LETTER, QUEUE, REGION } from "./helpers/queue-engine.ts";

type Step =
  | { readonly kind: "send"; readonly group: string; readonly deduplication: number }
  | { readonly kind: "receive"; readonly max: number; readonly visibility: number }
  | { readonly kind: "delete"; readonly pick: number }
  | { readonly kind: "change"; readonly pick: number; readonly visibility: number }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "restart" };

const visibility = fc.constantFrom(0, 1, 30, 60);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("send" as const),
        group: fc.constantFrom("a", "b", "c"),
        deduplication: fc.integer({ min: 0, max: 60 }),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("receive" as const), max: fc.integer({ min: 1, max: 10 }), visibility }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("delete" as const), pick: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("change" as const), pick: fc.nat(), visibility }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("pass" as const), seconds: fc.constantFrom(0.5, 1, 29, 31, 301) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  ),
  { minLength: 20, maxLength: 120, size: "max" },
);

interface ModelMessage {
  readonly body: string;
  readonly group: string;
  receives: number;
  hiddenUntil: number;
}

const MAX_RECEIVES = 4;

/** What SQS promises, written as plainly as can be: one list in the order of the sends, looked through from its start. */
class Model {
  queued: ModelMessage[] = [];
  deadLettered: string[] = [];
  readonly deduplication = new Map<string, { readonly body: string; readonly until: number }>();

  send(group: string, deduplicationId: string, body: string, now: number): string {
    const first = this.deduplication.get(deduplicationId);
    if (first !== undefined && first.until > now) return first.body;
    this.deduplication.set(deduplicationId, { body, until: now + 300_000 });
    this.queued.push({ body, group, receives: 0, hiddenUntil: 0 });
    return body;
  }

  receive(max: number, seconds: number, now: number): string[] {
    const locked = new Set(this.queued.filter(({ hiddenUntil }) => hiddenUntil > now).map(({ group }) => group));
    const groups = new Set(this.queued.map(({ group }) => group).filter((group) => !locked.has(group)));
    const taken: ModelMessage[] = [];
    for (const group of groups) {
      for (const message of this.queued.filter((one) => one.group === group)) {
        if (taken.length === max) break;
        if (message.receives >= MAX_RECEIVES) {
          this.deadLettered.push(message.body);
          this.queued = this.queued.filter((one) => one !== message);
        } else {
          message.receives += 1;
          message.hiddenUntil = now + seconds * 1_000;
          taken.push(message);
        }
      }
    }
    return taken.map(({ body }) => body);
  }
}

function isRefused(work: () => void): boolean {
  try {
    work();
    return false;
  } catch (error) {
    if (error instanceof SqsError && error.code === "InvalidParameterValue") return true;
    throw error;
  }
}

test("does what the plain model does, whatever is sent, received, deleted, given back, awaited and restarted", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const folder = mkdtempSync(join(tmpdir(), "queue-model-"));
      let now = 1_000_000_000_000;
      const open = () => new QueueEngine({ file: join(folder, "queues.sqlite"), region: REGION, now: () => now });
      let engine = open();
      const model = new Model();
      const held: { readonly message: ReceivedMessage; readonly receives: number }[] = [];
      try {
        engine.createQueue(DEAD_LETTER, { FifoQueue: "true" });
        const RedrivePolicy = JSON.stringify({
          deadLetterTargetArn: engine.queueArn(DEAD_LETTER),
          maxReceiveCount: MAX_RECEIVES,
        });
        engine.createQueue(QUEUE, { FifoQueue: "true", RedrivePolicy });
        const idOf = new Map<string, string>();
        for (const [index, step] of script.entries()) {
          if (step.kind === "send") {
            const body = `message ${index}`;
            const first = model.send(step.group, String(step.deduplication), body, now);
            const deduplicationId = String(step.deduplication);
            const { messageId } = engine.send(QUEUE, { groupId: step.group, deduplicationId, body });
            if (first === body) idOf.set(body, messageId);
            else assert.equal(messageId, idOf.get(first));
          } else if (step.kind === "receive") {
            const options = { maxMessages: step.max, visibilityTimeoutSeconds: step.visibility };
            const messages = await engine.receive(QUEUE, options);
            const expected = model.receive(step.max, step.visibility, now);
            assert.deepEqual(
              messages.map(({ body }) => body),
              expected,
            );
            for (const message of messages) held.push({ message, receives: message.receiveCount });
          } else if (step.kind === "delete" || step.kind === "change") {
            const pick = held.at(-1 - (step.pick % 12));
            if (pick === undefined) continue;
            const { receiptHandle, body } = pick.message;
            const target = model.queued.find((one) => one.body === body);
            const isHeld = target !== undefined && target.receives === pick.receives && target.hiddenUntil > now;
            if (step.kind === "delete") {
              const refused = isRefused(() => engine.delete(QUEUE, receiptHandle));
              assert.equal(refused, target !== undefined && !isHeld);
              if (isHeld) model.queued = model.queued.filter((one) => one !== target);
            } else {
              const refused = isRefused(() => engine.changeVisibility(QUEUE, receiptHandle, step.visibility));
              assert.equal(refused, !isHeld);
              if (isHeld) target.hiddenUntil = now + step.visibility * 1_000;
            }
          } else if (step.kind === "pass") {
            now += step.seconds * 1_000;
          } else {
            engine.close();
            engine = open();
          }
          const hidden = model.queued.filter(({ hiddenUntil }) => hiddenUntil > now).length;
          const attributes = engine.queueAttributes(QUEUE);
          assert.equal(attributes.ApproximateNumberOfMessages, String(model.queued.length - hidden));
          assert.equal(attributes.ApproximateNumberOfMessagesNotVisible, String(hidden));
        }
        const dead: string[] = [];
        for (;;) {
          const messages = await engine.receive(DEAD_LETTER, { maxMessages: 10, visibilityTimeoutSeconds: 60 });
          if (messages.length === 0) break;
          for (const { body, receiptHandle, messageId } of messages) {
            dead.push(body);
            assert.equal(messageId, idOf.get(body));
            engine.delete(DEAD_LETTER, receiptHandle);
          }
        }
        assert.deepEqual(dead.toSorted(), model.deadLettered.toSorted());
      } finally {
        engine.close();
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 120 },
  );
});
