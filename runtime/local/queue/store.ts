import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";

// One file, of one process: the lock is the operating system's, so a killed process leaves none behind.
// synchronous=NORMAL: what was committed survives kill -9, since the system has it. A power failure can cost the
// transactions since the last checkpoint (by default every 1,000 pages, about 4 MB): acknowledged sends may be gone and
// deleted messages back, but never a part of a transaction, and never the order of what is left.
const PRAGMAS = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA foreign_keys = OFF;
`;

// `deliveries` apart from `messages`: a receive then writes a few bytes, not the whole body again.
// `deduplication` is ordered by sequence, which is also the order of its times, so that old rows are found at its front.
const TABLES = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, attributes TEXT NOT NULL, tags TEXT NOT NULL,
    created_at INTEGER NOT NULL, modified_at INTEGER NOT NULL, purged_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS deleted_queues (name TEXT PRIMARY KEY, deleted_at INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS messages (
    sequence INTEGER PRIMARY KEY, queue_id INTEGER NOT NULL, group_id TEXT NOT NULL, message_id TEXT NOT NULL,
    deduplication_id TEXT NOT NULL, enqueued_at INTEGER NOT NULL, source_arn TEXT, trace_header TEXT,
    message_attributes TEXT, body TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS deliveries (
    sequence INTEGER PRIMARY KEY, receive_count INTEGER NOT NULL, first_received_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL, visible_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS deduplication (
    sequence INTEGER PRIMARY KEY, queue_id INTEGER NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL,
    message_id TEXT NOT NULL, expires_at INTEGER NOT NULL, UNIQUE (queue_id, scope, id)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS moves (
    id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, queue_id INTEGER NOT NULL, destination_arn TEXT,
    max_per_second INTEGER, last_sequence INTEGER NOT NULL, started_at INTEGER NOT NULL, to_move INTEGER NOT NULL,
    moved INTEGER NOT NULL, status TEXT NOT NULL, failure_reason TEXT
  ) STRICT;
`;

type Row = Record<string, SQLOutputValue>;

/** A text column; anything else in it is a damaged or foreign file. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new TypeError(`queue file: column ${column} holds ${typeof value}, not text`);
  return value;
}

/** A column of whole numbers. */
export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number")
    throw new TypeError(`queue file: column ${column} holds ${typeof value}, not a number`);
  return value;
}

/** A text column that may be NULL, here undefined. */
export const optionalText = (row: Row, column: string): string | undefined =>
  row[column] === null ? undefined : text(row, column);

/** The queue file: tables, prepared statements, transactions. */
export class Store {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly insertMessage: StatementSync;
  readonly selectMessage: StatementSync;
  readonly moveMessage: StatementSync;
  readonly redriveMessage: StatementSync;
  readonly deleteMessage: StatementSync;
  readonly deleteMessagesOfQueue: StatementSync;
  readonly selectBacklog: StatementSync;
  readonly saveDelivery: StatementSync;
  readonly deleteDelivery: StatementSync;
  readonly deleteDeliveriesOfQueue: StatementSync;
  readonly selectDuplicate: StatementSync;
  readonly saveDuplicate: StatementSync;
  readonly deleteOldDuplicates: StatementSync;
  readonly deleteDuplicatesOfQueue: StatementSync;
  readonly selectQueues: StatementSync;
  readonly insertQueue: StatementSync;
  readonly updateQueue: StatementSync;
  readonly deleteQueue: StatementSync;
  readonly saveDeletedQueue: StatementSync;
  readonly selectDeletedQueue: StatementSync;
  readonly insertMove: StatementSync;
  readonly selectMove: StatementSync;
  readonly selectMoves: StatementSync;
  readonly selectRunningMoves: StatementSync;
  readonly updateMove: StatementSync;
  readonly deleteOldMoves: StatementSync;
  readonly deleteMovesOfQueue: StatementSync;
  readonly selectMeta: StatementSync;
  readonly saveMeta: StatementSync;

  /** @throws Error when another process has the file open */
  constructor(file: string) {
    mkdirSync(dirname(file), { recursive: true });
    const database = new DatabaseSync(file, { timeout: 1_000 });
    this.#database = database;
    try {
      database.exec(PRAGMAS);
      database.exec(TABLES);
    } catch (cause) {
      database.close();
      if (cause instanceof Error && cause.message.includes("locked")) {
        throw new Error(`queue file ${file} is open in another process: stop that one, or use another file`, { cause });
      }
      throw cause;
    }
    const prepare = (sql: string) => database.prepare(sql);
    this.#begin = prepare("BEGIN IMMEDIATE");
    this.#commit = prepare("COMMIT");
    this.#rollback = prepare("ROLLBACK");
    this.insertMessage = prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?)");
    this.selectMessage = prepare("SELECT * FROM messages WHERE sequence = ?");
    this.moveMessage = prepare(`
      INSERT INTO messages SELECT ?, ?, group_id, message_id, ?, ?, ?, trace_header, message_attributes, body
      FROM messages WHERE sequence = ?`);
    this.redriveMessage = prepare(`
      INSERT INTO messages SELECT ?, ?, group_id, ?, ?, ?, NULL, trace_header, message_attributes, body
      FROM messages WHERE sequence = ?`);
    this.deleteMessage = prepare("DELETE FROM messages WHERE sequence = ?");
    this.deleteMessagesOfQueue = prepare("DELETE FROM messages WHERE queue_id = ?");
    this.selectBacklog = prepare(`
      SELECT sequence, queue_id, group_id, message_id, enqueued_at, ifnull(receive_count, 0) AS receive_count,
        ifnull(first_received_at, 0) AS first_received_at, ifnull(received_at, 0) AS received_at,
        ifnull(visible_at, 0) AS visible_at
      FROM messages LEFT JOIN deliveries USING (sequence) ORDER BY sequence`);
    this.saveDelivery = prepare("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?)");
    this.deleteDelivery = prepare("DELETE FROM deliveries WHERE sequence = ?");
    this.deleteDeliveriesOfQueue = prepare(
      "DELETE FROM deliveries WHERE sequence IN (SELECT sequence FROM messages WHERE queue_id = ?)",
    );
    this.selectDuplicate = prepare(
      "SELECT sequence, message_id, expires_at FROM deduplication WHERE queue_id = ? AND scope = ? AND id = ?",
    );
    this.saveDuplicate = prepare("INSERT OR REPLACE INTO deduplication VALUES (?, ?, ?, ?, ?, ?)");
    this.deleteOldDuplicates = prepare(`
      DELETE FROM deduplication WHERE expires_at <= ?
        AND sequence IN (SELECT sequence FROM deduplication ORDER BY sequence LIMIT ?)`);
    this.deleteDuplicatesOfQueue = prepare("DELETE FROM deduplication WHERE queue_id = ?");
    this.selectQueues = prepare("SELECT * FROM queues ORDER BY name");
    this.insertQueue = prepare("INSERT INTO queues VALUES (NULL, ?, ?, ?, ?, ?, 0)");
    this.updateQueue = prepare(
      "UPDATE queues SET attributes = ?, tags = ?, modified_at = ?, purged_at = ? WHERE id = ?",
    );
    this.deleteQueue = prepare("DELETE FROM queues WHERE id = ?");
    this.saveDeletedQueue = prepare("INSERT OR REPLACE INTO deleted_queues VALUES (?, ?)");
    this.selectDeletedQueue = prepare("SELECT deleted_at FROM deleted_queues WHERE name = ?");
    this.insertMove = prepare("INSERT INTO moves VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, 0, 'RUNNING', NULL)");
    this.selectMove = prepare("SELECT * FROM moves WHERE id = ?");
    this.selectMoves = prepare("SELECT * FROM moves WHERE queue_id = ? ORDER BY id DESC");
    this.selectRunningMoves = prepare("SELECT * FROM moves WHERE status = 'RUNNING'");
    this.updateMove = prepare("UPDATE moves SET status = ?, moved = ?, failure_reason = ? WHERE id = ?");
    this.deleteOldMoves = prepare(`
      DELETE FROM moves WHERE queue_id = ?
        AND id NOT IN (SELECT id FROM moves WHERE queue_id = ? ORDER BY id DESC LIMIT ?)`);
    this.deleteMovesOfQueue = prepare("DELETE FROM moves WHERE queue_id = ?");
    this.selectMeta = prepare("SELECT value FROM meta WHERE name = ?");
    this.saveMeta = prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
  }

  /** Runs `work` in one transaction: all of its writes are in the file when this returns, or none. */
  transaction<Result>(work: () => Result): Result {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#rollback.run();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}
