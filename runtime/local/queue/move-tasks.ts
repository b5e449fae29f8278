import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Entry } from "./backlog.ts";
import { between } from "./check-range.ts";
import { invalidParameter, missingParameter, SqsError } from "./errors.ts";
import { MAX_MOVE_MILLISECONDS, MAX_MOVE_RATE, MAX_MOVE_TASKS_LISTED } from "./limits.ts";
import { MoveFailure, moveMessage } from "./move-message.ts";
import type { Queue } from "./queue.ts";
import type { Queues } from "./queues.ts";

/** What a message move task is asked to do. */
export interface MoveRequest {
  /** ARN of a dead-letter queue of this engine. */
  readonly sourceArn: string;
  /** @default the queue that each message was dead-lettered from */
  readonly destinationArn?: string | undefined;
  /** Messages a second, 1 to 500. @default as fast as the file takes them */
  readonly maxPerSecond?: number | undefined;
}

/** A message move task, as SQS lists it. */
export interface MoveTask extends MoveRequest {
  /** Of a running task only. */
  readonly taskHandle: string | undefined;
  readonly status: "RUNNING" | "COMPLETED" | "CANCELLED" | "FAILED";
  readonly moved: number;
  /** How many messages the source had when the task started, in flight and delayed ones included. */
  readonly toMove: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Of a failed task only. */
  readonly failureReason: string | undefined;
}

const nullable = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullable().transform((value) => value ?? undefined);
const rowSchema = z.object({
  id: z.number(),
  task_id: z.string(),
  queue_id: z.number(),
  destination_arn: nullable(z.string()),
  max_per_second: nullable(z.number()),
  last_sequence: z.number(),
  started_at: z.number(),
  to_move: z.number(),
  moved: z.number(),
  status: z.enum(["RUNNING", "COMPLETED", "CANCELLED", "FAILED"]),
  failure_reason: nullable(z.string()),
});
type Row = z.output<typeof rowSchema>;
const handleSchema = z.object({ taskId: z.string(), sourceArn: z.string() });

/** When a running task goes on. Kept in memory: after a restart it goes on at once. */
interface Pace {
  nextAt: number;
  timer: NodeJS.Timeout | undefined;
}

// One transaction: large enough for the file's pace, small enough that sends and receives in between do not wait.
const BATCH = 100;
/** A task that waits for a message in flight, or for a file that refused a batch, looks again after so long. */
const WAIT_MILLISECONDS = 1_000;

/**
 * The message move tasks of one file.
 *
 * A task moves the messages that its source holds when it starts, oldest first; what comes later stays, so that a message
 * which is dead-lettered again does not go round. One in flight or delayed, and what stands behind it in its group, moves when it
 * is visible again; the task waits for it. SQS does not document either.
 *
 * Task and messages are in one file: a batch moves in the transaction that counts it, and a task goes on after a restart. So
 * CANCELLING, which SQS has while machines are still at it, is no status here.
 */
export class MoveTasks {
  readonly #queues: Queues;
  readonly #paces = new Map<number, Pace>();

  constructor(queues: Queues) {
    this.#queues = queues;
    for (const row of queues.store.selectRunningMoves.all()) this.#schedule(rowSchema.parse(row).id, queues.now());
  }

  close(): void {
    for (const { timer } of this.#paces.values()) clearTimeout(timer);
    this.#paces.clear();
  }

  /** `QueueEngine.startMoveTask`. */
  start({ sourceArn, destinationArn, maxPerSecond }: MoveRequest): string {
    const queues = this.#queues;
    const source = this.#source(sourceArn);
    if (destinationArn !== undefined && queues.findArn(destinationArn) === undefined) throw notFound("DestinationArn");
    if (maxPerSecond !== undefined) between("MaxNumberOfMessagesPerSecond", maxPerSecond, 1, MAX_MOVE_RATE);
    if (!queues.all().some(({ settings }) => settings.redrive?.deadLetterTargetArn === source.arn)) {
      throw new SqsError("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.");
    }
    if (destinationArn === source.arn) {
      throw invalidParameter("DestinationArn", destinationArn, "Must not be the source queue.");
    }
    const rows = this.#rows(source);
    if (rows.some(({ status }) => status === "RUNNING")) {
      const one = "Only one active task is allowed for a source queue arn at a given time.";
      throw new SqsError("InvalidParameterValue", `There is already a task running. ${one}`);
    }
    const now = queues.now();
    queues.expire(source, now);
    const { visible, inFlight, delayed } = source.backlog.counts(now);
    const taskId = randomUUID();
    const { lastInsertRowid } = queues.write(() => {
      queues.store.deleteOldMoves.run(source.id, source.id, MAX_MOVE_TASKS_LISTED - 1);
      return queues.store.insertMove.run(
        taskId,
        source.id,
        destinationArn ?? null,
        maxPerSecond ?? null,
        source.backlog.newest?.sequence ?? 0,
        now,
        visible + inFlight + delayed,
      );
    });
    this.#schedule(Number(lastInsertRowid), now);
    return formatHandle(taskId, source.arn);
  }

  /** `QueueEngine.moveTasks`. */
  list(sourceArn: string, maxResults = 1): MoveTask[] {
    const source = this.#source(sourceArn);
    between("MaxResults", maxResults, 1, MAX_MOVE_TASKS_LISTED);
    return this.#rows(source)
      .slice(0, maxResults)
      .map((row) => ({
        taskHandle: row.status === "RUNNING" ? formatHandle(row.task_id, source.arn) : undefined,
        sourceArn: source.arn,
        destinationArn: row.destination_arn,
        maxPerSecond: row.max_per_second,
        status: row.status,
        moved: row.moved,
        toMove: row.to_move,
        startedAt: row.started_at,
        failureReason: row.failure_reason,
      }));
  }

  /** `QueueEngine.cancelMoveTask`. */
  cancel(taskHandle: string): number {
    const { taskId, sourceArn } = parseHandle(taskHandle);
    const source = this.#source(sourceArn);
    const row = this.#rows(source).find((one) => one.task_id === taskId);
    if (row === undefined) throw new SqsError("ResourceNotFoundException", "Task does not exist.");
    if (row.status !== "RUNNING") {
      throw new SqsError(
        "UnsupportedOperation",
        `Only a task that is RUNNING can be cancelled; this one is ${row.status}.`,
      );
    }
    this.#queues.write(() => this.#save(row, "CANCELLED", row.moved));
    this.#end(row.id);
    return row.moved;
  }

  /** Runs every task as far as the clock lets it. For tests that move an injected clock. */
  tick(): void {
    for (const [id, pace] of this.#paces) {
      while (this.#paces.has(id) && pace.nextAt <= this.#queues.now()) this.#run(id, pace);
    }
  }

  #source(arn: string): Queue {
    if (arn === "") throw missingParameter("SourceArn");
    const source = this.#queues.findArn(arn);
    if (source === undefined) throw notFound("SourceArn");
    return source;
  }

  /** The tasks of a queue, the most recent first. */
  #rows(source: Queue): Row[] {
    return z.array(rowSchema).parse(this.#queues.store.selectMoves.all(source.id));
  }

  #schedule(id: number, at: number): void {
    const pace = this.#paces.get(id) ?? { nextAt: at, timer: undefined };
    this.#paces.set(id, pace);
    pace.nextAt = at;
    clearTimeout(pace.timer);
    // At least a millisecond: a timer may fire a little before the clock gets there.
    pace.timer = setTimeout(() => this.#run(id, pace), Math.max(1, at - this.#queues.now()));
    pace.timer.unref();
  }

  #end(id: number): void {
    clearTimeout(this.#paces.get(id)?.timer);
    this.#paces.delete(id);
  }

  #run(id: number, pace: Pace): void {
    const now = this.#queues.now();
    let next: number | undefined;
    try {
      next = pace.nextAt > now ? pace.nextAt : this.#step(id, pace.nextAt, now);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // Nothing was moved, and there may be room again later.
      next = now + WAIT_MILLISECONDS;
    }
    if (next === undefined) this.#end(id);
    else this.#schedule(id, next);
  }

  /** Moves what is due, in one transaction. @returns when to go on; undefined when the task has ended */
  #step(id: number, dueSince: number, now: number): number | undefined {
    const queues = this.#queues;
    const found = queues.store.selectMove.get(id);
    const source = queues.all().find((queue) => queue.id === Number(found?.queue_id));
    // Its queue was deleted, and the task with it.
    if (found === undefined || source === undefined) return undefined;
    const row = rowSchema.parse(found);
    if (now - row.started_at >= MAX_MOVE_MILLISECONDS) {
      queues.write(() => this.#save(row, "FAILED", row.moved, "The task ran for 36 hours."));
      return undefined;
    }
    queues.expire(source, now);
    source.backlog.settle(now);
    // Late timers do not slow a task; but after a pause of the machine it does not make up for all of it at once.
    const since = Math.max(dueSince, now - 1_000);
    const { max_per_second: rate } = row;
    const due = rate === undefined ? BATCH : Math.min(BATCH, rate, Math.floor(((now - since) * rate) / 1_000) + 1);
    const { chosen, isLast } = choose(source, row.last_sequence, due, now);
    const { destinations, hasEnded } = queues.write(() => {
      const { moved, failure, ...outcome } = moveAll(queues, source, chosen, row.destination_arn, now);
      const status = failure !== undefined ? "FAILED" : isLast ? "COMPLETED" : "RUNNING";
      this.#save(row, status, row.moved + moved, failure);
      return { ...outcome, hasEnded: status !== "RUNNING" };
    });
    for (const { polls } of destinations) polls.wake();
    if (hasEnded) return undefined;
    if (chosen.length === 0) return now + WAIT_MILLISECONDS;
    return rate === undefined ? now : since + (chosen.length * 1_000) / rate;
  }

  #save({ id }: Row, status: Row["status"], moved: number, failureReason?: string): void {
    this.#queues.store.updateMove.run(status, moved, failureReason ?? null, id);
  }
}

/** The oldest messages that can be moved now. A group with a message in flight or delayed is held from there on. */
function choose(
  { backlog }: Queue,
  lastSequence: number,
  most: number,
  now: number,
): { readonly chosen: readonly Entry[]; readonly isLast: boolean } {
  const chosen: Entry[] = [];
  let isLast = true;
  for (let entry = backlog.oldest; entry !== undefined && entry.sequence <= lastSequence; entry = entry.nextInQueue) {
    if (chosen.length === most) return { chosen, isLast: false };
    if (entry.group.inFlight.size === 0 && !backlog.isDelayed(entry, now)) chosen.push(entry);
    else isLast = false;
  }
  return { chosen, isLast };
}

/** Moves one after the other, within `queues.write`, up to the first that cannot be moved. */
function moveAll(
  queues: Queues,
  source: Queue,
  entries: readonly Entry[],
  destinationArn: string | undefined,
  now: number,
): { readonly moved: number; readonly destinations: ReadonlySet<Queue>; readonly failure: string | undefined } {
  const destinations = new Set<Queue>();
  let moved = 0;
  try {
    for (const entry of entries) {
      destinations.add(moveMessage(queues, source, entry, destinationArn, now));
      moved += 1;
    }
  } catch (error) {
    if (!(error instanceof MoveFailure)) throw error;
    return { moved, destinations, failure: error.message };
  }
  return { moved, destinations, failure: undefined };
}

/** Whether it is the file that refused: a full disk, for example. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";

const notFound = (parameter: string): SqsError =>
  new SqsError(
    "ResourceNotFoundException",
    `The resource that you specified for the ${parameter} parameter doesn't exist.`,
  );

/** A handle as SQS makes them: base64 of JSON. */
const formatHandle = (taskId: string, sourceArn: string): string =>
  Buffer.from(JSON.stringify({ taskId, sourceArn })).toString("base64");

function parseHandle(handle: string): z.output<typeof handleSchema> {
  if (handle === "") throw missingParameter("TaskHandle");
  try {
    return handleSchema.parse(JSON.parse(Buffer.from(handle, "base64").toString()));
  } catch {
    throw new SqsError("InvalidParameterValue", "Value for parameter TaskHandle is invalid.");
  }
}
