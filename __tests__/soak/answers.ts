import type { Fate } from "./fate.ts";
import { MOST_FAILURES } from "./queues.ts";
import type { Random } from "./random.ts";

/** What the backend's answer comes to for whoever gets it. */
export type Answer = "accepted" | "rejected" | "failed" | "unavailable";

/** What the backend does besides the messages' fates. */
export type Weather =
  | "calm"
  /** Now and then something goes wrong. */
  | "faults"
  /** Everything gets a 503. */
  | "unavailable"
  /** As many get a 500 as may. */
  | "failing";

/** Answers that one message was given so far. */
export interface Given {
  accepted: boolean;
  rejections: number;
  failures: number;
}

/** An answer, and how it is given. */
export interface Plan {
  readonly answer: Answer;
  readonly status: number;
  readonly body: string;
  readonly retryAfterSeconds?: number;
  readonly delayMilliseconds: number;
  /** Ends the connection in the place of the answer. */
  readonly hangUp: boolean;
}

const OK = { status: 200, body: '{"status_code":200}', delayMilliseconds: 0, hangUp: false } as const;
const UNAVAILABLE: Plan = { ...OK, answer: "unavailable", status: 503, body: "" };

/**
 * How the backend answers a delivery.
 *
 * It is a sane backend: what it accepted once it accepts ever after, whatever becomes of its answers. And a message that is to
 * be accepted gets at most {@link MOST_FAILURES} answers that count as an attempt: else it would be given up though it was
 * accepted, when only its answer had been lost.
 *
 * @param given all answers to this message so far
 */
export function planAnswer(given: Given, fate: Fate, weather: Weather, random: Random): Plan {
  if (weather === "unavailable") return UNAVAILABLE;
  const mayFail = given.failures < MOST_FAILURES && fate.kind === "accept";
  if (weather === "failing" && mayFail && !given.accepted) return failure(random);
  if (weather !== "faults") return byFate(given, fate, random);

  const roll = random.next();
  if (roll < 0.015) return UNAVAILABLE;
  if (roll < 0.018) return { ...UNAVAILABLE, status: 429, retryAfterSeconds: 1 };
  if (roll < 0.022) return { ...UNAVAILABLE, hangUp: true };
  if (roll < 0.032 && mayFail && !given.accepted) return failure(random);
  const plan = byFate(given, fate, random);
  // Decided and written down, and nobody hears of it.
  if (roll < 0.037) return { ...plan, hangUp: true };
  if (roll < 0.042) return { ...plan, delayMilliseconds: 900 };
  if (roll < 0.09) return { ...plan, delayMilliseconds: random.between(20, 300) };
  return plan;
}

function byFate(given: Given, { kind, times }: Fate, random: Random): Plan {
  if (given.accepted || kind === "accept") return { ...OK, answer: "accepted" };
  if (kind === "reject" && (times < 0 || given.rejections < times)) {
    return random.chance(0.5)
      ? { ...OK, answer: "rejected", body: '{"status_code":422}' }
      : { ...OK, answer: "rejected", status: 422, body: "" };
  }
  if (kind === "fail" && (times < 0 || given.failures < times)) return failure(random);
  return { ...OK, answer: "accepted" };
}

/** A 500, or an answer that is not the JSON it says it is. */
function failure(random: Random): Plan {
  return random.chance(0.7)
    ? { ...OK, answer: "failed", status: 500, body: "" }
    : { ...OK, answer: "failed", body: '{"status_code":' };
}
