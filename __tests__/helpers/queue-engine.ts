import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { QueueEngine } from "../../runtime/local/queue/engine.ts";

export const REGION = "ap-northeast-2";
export const QUEUE = "orders.fifo";
export const DEAD_LETTER = "orders-dead-letter.fifo";
export const FIFO = { FifoQueue: "true", ContentBasedDeduplication: "true" } as const;

/** A folder that goes when the test ends. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "queue-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An engine with a queue, a dead-letter queue and a clock that only the test moves. */
export function engineWithClock(t: TestContext, attributes: Readonly<Record<string, string>> = {}) {
  const file = join(temporaryFolder(t), "queues.sqlite");
  let time = Date.parse("2026-11-22T14:00:00Z");
  const open = () => new QueueEngine({ file, region: REGION, now: () => time });
  const clocked = {
    engine: open(),
    now: () => time,
    /** Moves the clock. */
    pass(seconds: number) {
      time += seconds * 1_000;
      clocked.engine.tick();
    },
    /** Closes the engine and opens its file again; in between, `sql` is run on it. */
    restart(sql = "") {
      clocked.engine.close();
      const database = new DatabaseSync(file);
      database.exec(sql);
      database.close();
      clocked.engine = open();
      return clocked.engine;
    },
  };
  t.after(() => clocked.engine.close());
  clocked.engine.createQueue(DEAD_LETTER, { FifoQueue: "true" });
  clocked.engine.createQueue(QUEUE, { ...FIFO, ...attributes });
  return clocked;
}

/** The bodies of what a receive got. */
export const bodies = (messages: readonly { readonly body: string }[]): string[] => messages.map(({ body }) => body);
