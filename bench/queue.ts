/**
 * The local queue engine in process, against raw node:sqlite doing the same rows in the same run.
 *
 * `node bench/queue.ts [messages]`: medians of five, 1 KiB bodies, 50 groups, a fresh file each round. The peer inserts,
 * selects and deletes the messages by primary key, one transaction a call like the engine, and does nothing else: no
 * deduplication, no groups, no receipts; the target is a rate. Rows with "queued" show what a backlog of 100,000 messages costs.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { QueueEngine } from "../runtime/local/queue/engine.ts";
import { median } from "./compare.ts";

const ROUNDS = 5;
const GROUPS = 50;
const BODY = "x".repeat(1_024);
const QUEUE = "bench.fifo";
const BACKLOG = 100_000;
const TARGET_PER_SECOND = 3_000;
const messages = Number(process.argv[2] ?? 5_000);

type Verb = "sent" | "received" | "deleted";
type Rates = Record<Verb, number>;

const folder = mkdtempSync(join(tmpdir(), "bench-queue-"));

async function perSecond(count: number, work: () => void | Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return count / ((performance.now() - start) / 1_000);
}

function openEngine(): QueueEngine {
  const engine = new QueueEngine({ file: join(folder, `${randomUUID()}.sqlite`), region: "ap-northeast-2" });
  engine.createQueue(QUEUE, {
    FifoQueue: "true",
    DeduplicationScope: "messageGroup",
    FifoThroughputLimit: "perMessageGroupId",
    VisibilityTimeout: "360",
  });
  return engine;
}

function fill(engine: QueueEngine, count: number, batch: number, groups: number): void {
  const message = (number: number) => ({ groupId: String(number % groups), deduplicationId: randomUUID(), body: BODY });
  for (let sent = 0; sent < count; sent += batch) {
    if (batch === 1) engine.send(QUEUE, message(sent));
    else {
      const entries = Array.from({ length: batch }, (_, index) => ({ id: String(index), ...message(sent + index) }));
      engine.sendBatch(QUEUE, entries);
    }
  }
}

/** Receives and deletes `count` messages, timing both apart: a group is free again only after the delete. */
async function drain(engine: QueueEngine, count: number, batch: number): Promise<Omit<Rates, "sent">> {
  let received = 0;
  let receiving = 0;
  let deleting = 0;
  while (received < count) {
    const start = performance.now();
    const taken = await engine.receive(QUEUE, { maxMessages: batch });
    const between = performance.now();
    const [first] = taken;
    if (first === undefined) throw new Error(`${count - received} messages missing`);
    if (batch === 1) engine.delete(QUEUE, first.receiptHandle);
    else {
      const entries = taken.map(({ receiptHandle }, index) => ({ id: String(index), receiptHandle }));
      engine.deleteBatch(QUEUE, entries);
    }
    received += taken.length;
    receiving += between - start;
    deleting += performance.now() - between;
  }
  return { received: received / (receiving / 1_000), deleted: received / (deleting / 1_000) };
}

/** Sends, receives and deletes `messages`; what was queued before leaves first, so that as many stay queued. */
async function engineRates(engine: QueueEngine, batch: number): Promise<Rates> {
  const sent = await perSecond(messages, () => fill(engine, messages, batch, GROUPS));
  return { sent, ...(await drain(engine, messages, batch)) };
}

async function peerRates(batch: number): Promise<Rates> {
  const database = new DatabaseSync(join(folder, `${randomUUID()}.sqlite`));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA locking_mode = EXCLUSIVE");
  database.exec(
    "CREATE TABLE messages (sequence INTEGER PRIMARY KEY, group_id TEXT, message_id TEXT, body TEXT) STRICT",
  );
  const insert = database.prepare("INSERT INTO messages VALUES (?, ?, ?, ?)");
  const select = database.prepare("SELECT * FROM messages WHERE sequence = ?");
  const remove = database.prepare("DELETE FROM messages WHERE sequence = ?");
  const [begin, commit] = [database.prepare("BEGIN IMMEDIATE"), database.prepare("COMMIT")];
  const each = (work: (sequence: number) => void) => () => {
    for (let done = 0; done < messages; done += batch) {
      begin.run();
      for (let index = 1; index <= batch; index += 1) work(done + index);
      commit.run();
    }
  };
  try {
    return {
      sent: await perSecond(
        messages,
        each((sequence) => insert.run(sequence, String(sequence % GROUPS), randomUUID(), BODY)),
      ),
      received: await perSecond(
        messages,
        each((sequence) => select.get(sequence)),
      ),
      deleted: await perSecond(
        messages,
        each((sequence) => remove.run(sequence)),
      ),
    };
  } finally {
    database.close();
  }
}

function row(name: string, engine: readonly Rates[], peer: readonly Rates[], peerName: string): void {
  for (const verb of ["sent", "received", "deleted"] as const) {
    const ours = median(engine.map((rates) => rates[verb]));
    const theirs = median(peer.map((rates) => rates[verb]));
    console.log(
      `${name}, ${verb}: ${perSecondText(ours)}; target ${perSecondText(TARGET_PER_SECOND)}; ` +
        `ours / target = ${(ours / TARGET_PER_SECOND).toFixed(2)} (>= 1); ` +
        `${peerName}: ${perSecondText(theirs)}; ours / ${peerName} = ${(ours / theirs).toFixed(2)}; medians of ${ROUNDS}`,
    );
  }
}

const perSecondText = (rate: number): string => `${Math.round(rate).toLocaleString("en")}/s`;

try {
  for (const batch of [10, 1]) {
    const engine: Rates[] = [];
    const peer: Rates[] = [];
    const behind: Rates[] = [];
    const backlog = openEngine();
    fill(backlog, BACKLOG, 10, 100 * GROUPS);
    for (let round = 0; round < ROUNDS; round += 1) {
      peer.push(await peerRates(batch));
      const empty = openEngine();
      engine.push(await engineRates(empty, batch));
      empty.close();
      behind.push(await engineRates(backlog, batch));
    }
    backlog.close();
    const name = batch === 1 ? "singles" : `batches of ${batch}`;
    row(`queue, ${name}`, engine, peer, "node:sqlite");
    row(`queue, ${name}, ${BACKLOG.toLocaleString("en")} queued`, behind, engine, "an empty queue");
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
