import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** A rate in requests a second, and how many may come at once. */
export interface Throttle {
  readonly rateLimit: number;
  readonly burstLimit: number;
}

/** How many requests a key has in a calendar period (UTC; a week starts on Sunday). */
export interface Quota {
  readonly limit: number;
  readonly period: "DAY" | "WEEK" | "MONTH";
}

/** API Gateway's token bucket: it holds `burstLimit` tokens and gains `rateLimit` a second. */
export class TokenBucket {
  readonly #throttle: Throttle;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  /** @param now milliseconds of a clock that never runs backwards */
  constructor(throttle: Throttle, now: () => number) {
    this.#throttle = throttle;
    this.#now = now;
    this.#tokens = throttle.burstLimit;
    this.#filledAt = now();
  }

  /** Takes a token if there is one. */
  take(): boolean {
    const now = this.#now();
    const gained = ((now - this.#filledAt) / 1000) * this.#throttle.rateLimit;
    this.#tokens = Math.min(this.#throttle.burstLimit, this.#tokens + gained);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** What each key has used of its quota, kept over restarts. */
export class QuotaStore {
  readonly #database: DatabaseSync;
  readonly #count: StatementSync;

  /** @param file SQLite, created with its folder */
  constructor(file: string) {
    mkdirSync(dirname(file), { recursive: true });
    this.#database = new DatabaseSync(file);
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS usage (
        plan TEXT NOT NULL, key TEXT NOT NULL, period TEXT NOT NULL, used INTEGER NOT NULL,
        PRIMARY KEY (plan, key, period)
      ) WITHOUT ROWID;
    `);
    this.#count = this.#database.prepare(
      `INSERT INTO usage (plan, key, period, used) VALUES (?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET used = used + 1 WHERE used < ?`,
    );
  }

  /** Counts one request of a key, unless its quota is used up. */
  take(plan: string, key: string, quota: Quota, at: Date): boolean {
    const counted = this.#count.run(plan, key, periodStart(quota.period, at), quota.limit);
    return Number(counted.changes) === 1;
  }

  close(): void {
    this.#database.close();
  }
}

/** The first day of the period that a moment lies in, e.g. `DAY 2026-11-22`. */
export function periodStart(period: Quota["period"], at: Date): string {
  const day = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()));
  if (period === "WEEK") day.setUTCDate(day.getUTCDate() - day.getUTCDay());
  if (period === "MONTH") day.setUTCDate(1);
  return `${period} ${day.toISOString().slice(0, 10)}`;
}
