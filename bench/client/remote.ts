import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { z } from "zod";
import { type Fault, faultSchema } from "./faults.ts";
import type { Taken } from "./intake.ts";
import { serve } from "./serve.ts";

/** The server in a process of its own. */
export interface RemoteServer {
  readonly url: string;
  begin(fault: Fault): Promise<void>;
  taken(): Promise<Taken>;
  close(): void;
}

const order = z.discriminatedUnion("verb", [
  z.object({ verb: z.literal("begin"), fault: faultSchema }),
  z.object({ verb: z.literal("taken") }),
]);
const takenSchema = z.object({ requests: z.int(), groups: z.record(z.string(), z.array(z.int())) });

/** Starts `file` again as a child, which has to call {@link serveParent}. */
export async function startServer(file: string): Promise<RemoteServer> {
  const child = fork(file);
  const url = z.string().parse(await answerOf(child));
  return {
    url,
    async begin(fault) {
      child.send({ verb: "begin", fault } satisfies z.input<typeof order>);
      await answerOf(child);
    },
    async taken() {
      child.send({ verb: "taken" } satisfies z.input<typeof order>);
      return takenSchema.parse(await answerOf(child));
    },
    close: () => child.kill(),
  };
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = once(child, "exit", { signal }).then(([code]) => {
    throw new Error(`the server's process ended with ${String(code)}`);
  });
  const answered = once(child, "message", { signal }).then(([answer]): unknown => answer);
  try {
    return await Promise.race([answered, ended]);
  } finally {
    stop.abort();
    await Promise.allSettled([answered, ended]);
  }
}

/** Serves in this process until the parent goes, and does what the parent says. */
export async function serveParent(): Promise<void> {
  process.once("disconnect", () => process.exit());
  const server = await serve();
  process.on("message", (message) => {
    const said = order.parse(message);
    if (said.verb === "begin") {
      server.begin(said.fault);
      process.send?.("begun");
    } else process.send?.(server.taken());
  });
  process.send?.(server.url);
}
