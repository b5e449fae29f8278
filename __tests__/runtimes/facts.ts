import type { Seen } from "./front.ts";
import type { Queued } from "./gateway.ts";

/** One thing that was looked at; `problem` is what was wrong. */
export interface Check {
  readonly name: string;
  readonly problem?: string | undefined;
}

/** What a run left behind on the servers' side. */
export interface Traces {
  /** What the run's groups begin with. */
  readonly run: string;
  readonly seen: readonly Seen[];
  readonly queued: readonly Queued[];
  readonly output: string;
  readonly secrets: readonly string[];
  /** The path that a redirect leads to. */
  readonly elsewhere: string;
  /** The pages' origins, when a browser ran. */
  readonly pages?: { readonly allowed: string; readonly foreign: string } | undefined;
}

/** What of the scenario only the servers can tell. */
export function facts(traces: Traces): Check[] {
  const { run, seen, queued, output, secrets, elsewhere, pages } = traces;
  const group = (name: string) => `${run}-${name}`;
  const posts = seen.filter(({ method }) => method === "POST");
  const of = (name: string) =>
    posts.filter(({ entries }) => entries.some(({ groupId }) => groupId.startsWith(group(name))));
  const inQueue = (name: string) => queued.filter(({ groupId }) => groupId === group(name)).map(({ at }) => at);
  const many = of("many-");
  return [
    check("the queue has each group in order, each message once", () => {
      const expected: Record<string, readonly number[]> = {
        ...Object.fromEntries(["a", "b", "c", "d"].map((letter) => [`order-${letter}`, [0, 1, 2, 3, 4]])),
        ...Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`many-${at}`, [at]])),
        refused: [2],
        neighbour: [0],
        "throttled-a": [0],
        "throttled-b": [0],
        disposed: [0],
      };
      for (const [name, wanted] of Object.entries(expected)) {
        if (inQueue(name).join() !== wanted.join()) return `${name} has ${inQueue(name).join() || "nothing"}`;
      }
      const others = queued.filter(({ groupId }) => !Object.keys(expected).map(group).includes(groupId));
      return others.length > 0 ? `others are in it: ${others.map(({ groupId }) => groupId).join(", ")}` : undefined;
    }),
    check("sendMany of ten groups was one request", () => {
      const [one] = many;
      if (many.length !== 1) return `${many.length} requests`;
      if (!one?.path.endsWith("/queue-1/batch")) return `it went to ${one?.path}`;
      return one.entries.length === 10 ? undefined : `it has ${one.entries.length} entries`;
    }),
    check("the refused message shared its request with its neighbour", () => {
      const shared = of("refused").filter(({ entries }) =>
        entries.some(({ groupId }) => groupId === group("neighbour")),
      );
      return shared.length === 1 ? undefined : `they were together in ${shared.length} requests`;
    }),
    check("the aborted request was given up", () => {
      const aborted = of("aborted");
      if (aborted.length !== 1) return `${aborted.length} requests`;
      return aborted[0]?.hungUp ? undefined : "its connection stayed";
    }),
    check("a 429 was followed by the same message after Retry-After", () => {
      const throttled = of("throttled-");
      const refused = throttled.filter(({ answer }) => answer?.status === 429);
      if (refused.length === 0) return "there was no 429";
      for (const { entries, answer } of refused) {
        const [id] = entries.map(({ deduplicationId }) => deduplicationId);
        const again = throttled.find(
          (other) => other.at > (answer?.at ?? 0) && other.entries[0]?.deduplicationId === id,
        );
        if (again === undefined) return "it was not sent again";
        const waited = again.at - (answer?.at ?? 0);
        // Without Retry-After the first wait is 200 ms at most. A timer may fire a little early.
        if (waited < 950) return `it waited ${Math.round(waited)} ms`;
      }
      return undefined;
    }),
    check("nothing came to where the redirect led", () => {
      if (of("moved").length !== 1) return `${of("moved").length} requests were answered with a redirect`;
      const strayed = seen.filter(({ path }) => path.startsWith(elsewhere));
      return strayed.length > 0 ? `${strayed.map(({ method }) => method).join(", ")} came` : undefined;
    }),
    check("nothing printed holds a key or a payload", () => {
      const leaked = secrets.filter((secret) => output.includes(secret));
      return leaked.length > 0 ? `${leaked.length} of ${secrets.length} secrets are in the output` : undefined;
    }),
    ...(pages === undefined ? [] : ofBrowser(seen, pages)),
  ];
}

function ofBrowser(seen: readonly Seen[], pages: { allowed: string; foreign: string }): Check[] {
  const count = (method: string, origin: string) =>
    seen.filter((one) => one.method === method && one.origin === origin && one.path.includes("/queue-1")).length;
  return [
    check("the browser asked before it sent", () =>
      count("OPTIONS", pages.allowed) > 0 && count("POST", pages.allowed) > 0
        ? undefined
        : `${count("OPTIONS", pages.allowed)} OPTIONS, ${count("POST", pages.allowed)} POST`,
    ),
    check("the browser asked for the page that is not allowed, and sent nothing", () =>
      count("OPTIONS", pages.foreign) > 0 && count("POST", pages.foreign) === 0
        ? undefined
        : `${count("OPTIONS", pages.foreign)} OPTIONS, ${count("POST", pages.foreign)} POST`,
    ),
  ];
}

function check(name: string, look: () => string | undefined): Check {
  return { name, problem: look() };
}
