import type { Weather } from "./answers.ts";
import type { Exchange } from "./chaos-proxy.ts";
import type { Random } from "./random.ts";

/** What is done to the running path, one at a time. */
export type Fault =
  /** SIGKILL for processes of the consumer. */
  | { readonly kind: "kill-one" | "kill-all" }
  /** SIGKILL for the whole path, which then starts again in the same data folder. */
  | { readonly kind: "kill-path" }
  /** SIGKILL for the backend, which starts again so much later. */
  | { readonly kind: "kill-backend"; readonly milliseconds: number }
  /** Every connection on either side of the path is cut. */
  | { readonly kind: "cut-all" }
  /** The backend answers everything alike for so long. */
  | { readonly kind: "weather"; readonly weather: Weather; readonly milliseconds: number };

/**
 * The faults of a run, in their order, those together that belong together: each of the kinds comes before one comes again, and once there is a long outage.
 *
 * What a killed consumer held is hidden for the queue's visibility timeout, unless the whole path is killed. Of both there is
 * something in each round; after a kill of all consumers it is the path's turn, or nothing would be left to break for a minute.
 *
 * @param runMilliseconds how long the run is, of which the long outage takes a tenth
 */
export function* faultsOf(random: Random, runMilliseconds: number): Generator<readonly Fault[], never, void> {
  const longOutage = Math.min(60_000, Math.round(runMilliseconds / 10));
  for (let round = 0; ; round += 1) {
    const outages = [0, random.between(500, 3_000), ...(round === 0 ? [longOutage] : [])];
    const turns = random.shuffle<readonly Fault[]>([
      [{ kind: "kill-one" }],
      [{ kind: "kill-all" }, { kind: "kill-path" }],
      [{ kind: "kill-path" }],
      [{ kind: "cut-all" }],
      [{ kind: "weather", weather: "unavailable", milliseconds: random.between(1_000, 4_000) }],
      [{ kind: "weather", weather: "failing", milliseconds: random.between(1_000, 3_000) }],
      ...outages.map((milliseconds): Fault[] => [{ kind: "kill-backend", milliseconds }]),
    ]);
    yield* turns;
  }
}

/** What the proxy between client and gateway does to a request. */
export function clientExchange(random: Random): Exchange {
  const roll = random.next();
  if (roll < 0.02) return { kind: "cut" };
  if (roll < 0.04) return { kind: "cut-answer" };
  if (roll < 0.045) return { kind: "half" };
  if (roll < 0.055) return { kind: "answer", status: 503 };
  if (roll < 0.06) return { kind: "answer", status: 500 };
  if (roll < 0.065) return { kind: "answer", status: 429, retryAfterSeconds: 1 };
  if (roll < 0.068) return { kind: "hang" };
  if (roll < 0.073) return { kind: "late", milliseconds: random.between(500, 5_000) };
  if (roll < 0.08) return { kind: "trickle", milliseconds: random.between(10, 800) };
  return { kind: "pass" };
}

/**
 * What the proxy between consumer and backend does to a delivery. None is passed on late, which no network between two hops of
 * one connection does, and none is answered in halves, which would count as an attempt.
 */
export function backendExchange(random: Random): Exchange {
  const roll = random.next();
  if (roll < 0.008) return { kind: "cut" };
  if (roll < 0.018) return { kind: "cut-answer" };
  if (roll < 0.02) return { kind: "hang" };
  return { kind: "pass" };
}
