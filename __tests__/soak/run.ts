import { appendFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { breakThings } from "./break.ts";
import { readEvidence } from "./evidence.ts";
import type { Controls } from "./operator.ts";
import { pause } from "./pause.ts";
import { createProducer } from "./producer.ts";
import { QUEUES, VISIBILITY_SECONDS } from "./queues.ts";
import { createRandom } from "./random.ts";
import { judge, type Verdict } from "./verdict.ts";
import { type Note, openWorld, type World } from "./world.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly groups: number;
  readonly faults: boolean;
  readonly seed: number;
  /** Everything of the run is kept there. */
  readonly data: string;
}

/** How far a run is. */
export interface SoakProgress {
  readonly stage: "sending" | "healing" | "draining" | "judging";
  readonly seconds: number;
  readonly sent: number;
  readonly accepted: number;
  /** Deliveries that the backend accepted. */
  readonly delivered: number;
  readonly backlog: number;
  readonly faults: number;
  readonly controls: number;
}

export interface SoakResult extends Verdict {
  readonly seed: number;
  readonly minutes: number;
  readonly groups: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly controls: Readonly<Controls>;
  /** Whether it was ended before everything was settled. */
  readonly interrupted: boolean;
  readonly seconds: number;
  readonly data: string;
}

/** Messages in the queues beyond which producers wait. */
const MOST_BACKLOG = 250;
const LOOK_MILLISECONDS = 500;
/** Between two looks of the operator. */
const TEND_MILLISECONDS = { least: 500, most: 3_000 } as const;
/** Without any change for so long, what is left is stuck. Longer than what a killed consumer held is hidden. */
const PATIENCE_MILLISECONDS = (VISIBILITY_SECONDS + 30) * 1_000;
/** For what the clients still have when everything is healed. */
const CLOSE_MILLISECONDS = 60_000;

/**
 * Sends while things are broken, heals them, replays and waits until nothing is left, and judges.
 *
 * @param signal ends it early, with the verdict so far
 * @param onProgress called twice a second
 * @throws Error when something could not be started or ended by itself, and when nothing was accepted, so that nothing is proven
 */
export async function runSoak(
  options: SoakOptions,
  signal: AbortSignal,
  onProgress: (progress: SoakProgress) => void,
): Promise<SoakResult> {
  const { data, seed, minutes, groups, faults } = options;
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1_000);
  await mkdir(join(data, "logs"), { recursive: true });
  const events = join(data, "logs", "soak-events.jsonl");
  const note: Note = (what, more) =>
    appendFileSync(events, `${JSON.stringify({ at: new Date().toISOString(), what, ...more })}\n`);
  const broken = new AbortController();
  const onEnd = (what: string) => {
    note("ended by itself", { what });
    broken.abort(new Error(what));
  };
  const stop = AbortSignal.any([signal, broken.signal]);
  const deliveries = join(data, "deliveries.jsonl");
  const done: Record<string, number> = {};

  await using stack = new AsyncDisposableStack();
  const world = stack.use(await openWorld({ data, deliveries, seed, faults, note, onEnd }));
  const { path, backend, controls } = world;
  const length = minutes * 60_000;
  const producer = createProducer({
    endpoint: world.endpoint,
    key: world.key,
    queues: QUEUES,
    groups,
    seed,
    faults,
    hasRoom: () => world.backlog < MOST_BACKLOG,
    endsAt: Date.now() + length,
  });
  stack.defer(() => producer.close(0));
  // What goes on beside another part that has failed ends with it.
  const leaving = new AbortController();
  stack.defer(() => leaving.abort());

  let stage: SoakProgress["stage"] = "sending";
  const enter = (next: SoakProgress["stage"]) => {
    stage = next;
    note(next);
    show();
  };
  const show = () =>
    onProgress({
      stage,
      seconds: seconds(),
      sent: producer.calls.length,
      accepted: producer.calls.filter(({ told }) => told === "accepted").length,
      delivered: backend.answers.get("accepted") ?? 0,
      backlog: world.backlog,
      faults: sum(done),
      controls: sum(controls),
    });
  const looking = setInterval(() => {
    show();
    // What the path does not answer just now, it answers the next time.
    world.measure().catch(() => undefined);
  }, LOOK_MILLISECONDS);
  stack.defer(() => clearInterval(looking));

  enter("sending");
  const over = AbortSignal.any([stop, leaving.signal, AbortSignal.timeout(length)]);
  await Promise.all([
    producer.run(over),
    ...(faults ? [breakThings(world, { seed, minutes, done, note, signal: over }), tendGroups(world, seed, over)] : []),
  ]);
  if (!stop.aborted) {
    enter("healing");
    world.calm();
    await producer.close(CLOSE_MILLISECONDS);
    // Frees what killed consumers held, and what waits for a late start.
    if (faults) await world.restartPath();
  }
  if (!stop.aborted) {
    enter("draining");
    await drain(world, note, stop);
  }
  const interrupted = stop.aborted;

  enter("judging");
  clearInterval(looking);
  if (interrupted) await producer.close(0);
  await path.stop();
  await backend.kill();
  if (broken.signal.aborted && !signal.aborted) throw broken.signal.reason;
  const { parkedIds, ...found } = await readEvidence(data, deliveries, QUEUES);
  const verdict = judge({
    ...found,
    queues: QUEUES.map(({ name }) => name),
    // What was given up on is stuck, which is for the judge to say.
    ended: !interrupted,
    sent: producer.calls,
    everParked: producer.calls.filter(({ messageId }) => messageId !== undefined && parkedIds.has(messageId)),
  });
  if (!interrupted && verdict.all.accepted === 0) throw new Error("the gateway accepted nothing: nothing was proven");
  if (verdict.ok) await rm(join(data, "cdktf.out"), { recursive: true, force: true });
  return {
    ...verdict,
    seed,
    minutes,
    groups,
    faults: { ...done, "late-batch": path.lateBatches },
    controls,
    interrupted,
    seconds: seconds(),
    data,
  };
}

/** Looks after parked groups until the signal is aborted. */
async function tendGroups(world: World, seed: number, signal: AbortSignal): Promise<void> {
  const random = createRandom(seed, "operator");
  while (!signal.aborted) {
    await pause(random.between(TEND_MILLISECONDS.least, TEND_MILLISECONDS.most), signal);
    for (const { name, failurePolicy } of QUEUES) {
      // What the path does not answer just now, the operator does another time.
      if (failurePolicy === "park") await world.operator.tend(name, random).catch(() => undefined);
    }
  }
}

/** Waits until queues and parking lot are empty, or nothing has changed for too long. */
async function drain(world: World, note: Note, signal: AbortSignal): Promise<void> {
  let last = "";
  let changed = performance.now();
  while (!signal.aborted && performance.now() - changed < PATIENCE_MILLISECONDS) {
    const left = await world.measure().catch(() => undefined);
    const now = `${left} ${[...world.backend.answers]}`;
    if (now !== last) changed = performance.now();
    last = now;
    if (left === 0) {
      // What fails is tried again, until it succeeds or patience ends.
      const parked = await clearAll(world).catch((error: unknown) => note("not replayed", { error: String(error) }));
      if (parked === 0) return;
      if (parked !== undefined) note("replayed", { groups: parked });
    }
    await pause(LOOK_MILLISECONDS, signal);
  }
}

/** @returns groups that were parked */
async function clearAll(world: World): Promise<number> {
  let groups = 0;
  for (const { name } of QUEUES) groups += await world.operator.clear(name);
  return groups;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}
