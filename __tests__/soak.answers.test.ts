import assert from "node:assert/strict";
import { test } from "node:test";
import { type Given, planAnswer, type Weather } from "./soak/answers.ts";
import { ACCEPT, type Fate, fateOf } from "./soak/fate.ts";
import { type Fault, faultsOf } from "./soak/faults.ts";
import { MAX_ATTEMPTS, MOST_FAILURES, QUEUES } from "./soak/queues.ts";
import { createRandom } from "./soak/random.ts";

const WEATHERS: readonly Weather[] = ["calm", "faults", "unavailable", "failing"];

/** The first faults of a run of two minutes. */
function firstFaults(seed: number, count: number): Fault[] {
  const faults: Fault[] = [];
  for (const turn of faultsOf(createRandom(seed, "faults"), 120_000)) if (faults.push(...turn) >= count) break;
  return faults.slice(0, count);
}

/** What one message is answered, delivered so often in changing weather. */
function answers(seed: number, fate: Fate, deliveries: number) {
  const random = createRandom(seed, "test");
  const given: Given = { accepted: false, rejections: 0, failures: 0 };
  return Array.from({ length: deliveries }, () => {
    const weather = random.pick(WEATHERS) ?? "calm";
    const { answer } = planAnswer(given, fate, weather, random);
    given.accepted ||= answer === "accepted";
    given.rejections += answer === "rejected" ? 1 : 0;
    given.failures += answer === "failed" ? 1 : 0;
    return answer;
  });
}

test("no weather uses up the attempts of a message that is to be accepted, or rejects it", () => {
  assert.ok(MOST_FAILURES < MAX_ATTEMPTS);
  let failures = 0;
  for (let seed = 0; seed < 300; seed += 1) {
    const all = answers(seed, ACCEPT, 40);
    const failed = all.filter((answer) => answer === "failed").length;
    assert.ok(failed <= MOST_FAILURES, `seed ${seed}`);
    assert.ok(!all.includes("rejected"), `seed ${seed}`);
    assert.ok(all.includes("accepted"), `seed ${seed}`);
    failures += failed;
  }
  assert.ok(failures > 0, "there were some");
});

test("what the backend has accepted it never refuses", () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const all = answers(seed, { kind: "reject", times: 2 }, 60);
    const first = all.indexOf("accepted");
    assert.ok(first > 0, `seed ${seed}`);
    assert.equal(all.slice(0, first).filter((answer) => answer === "rejected").length, 2, `seed ${seed}`);
    assert.ok(
      all.slice(first).every((answer) => answer === "accepted" || answer === "unavailable"),
      `seed ${seed}`,
    );
  }
});

test("under dead-letter a message that is ever rejected is always rejected", () => {
  const deadLetter = QUEUES.find(({ failurePolicy }) => failurePolicy === "dead-letter");
  assert.ok(deadLetter);
  const fates = Array.from({ length: 3_000 }, (_, n) => fateOf(1, deadLetter, "10", n, true));
  const refusing = fates.filter(({ kind, times }) => kind === "reject" || (kind === "fail" && times >= MAX_ATTEMPTS));
  assert.ok(refusing.length > 0);
  assert.deepEqual(
    refusing.filter(({ times }) => times !== -1),
    [],
  );
});

test("the same seed makes the same fates and faults, and another one makes others", () => {
  const [queue] = QUEUES;
  assert.ok(queue);
  const fates = (seed: number) => Array.from({ length: 500 }, (_, n) => fateOf(seed, queue, "10", n, true));
  assert.deepEqual(fates(1), fates(1));
  assert.notDeepEqual(fates(1), fates(2));
  assert.deepEqual(firstFaults(1, 20), firstFaults(1, 20));
  assert.notDeepEqual(firstFaults(1, 20), firstFaults(2, 20));
});

test("every kind of fault comes within the first round, the long outage once", () => {
  const round = firstFaults(3, 10);
  assert.deepEqual([...new Set(round.map(({ kind }) => kind))].toSorted(), [
    "cut-all",
    "kill-all",
    "kill-backend",
    "kill-one",
    "kill-path",
    "weather",
  ]);
  const outages = round.flatMap((fault) => (fault.kind === "kill-backend" ? fault.milliseconds : []));
  assert.equal(outages.filter((milliseconds) => milliseconds === 12_000).length, 1);
});
