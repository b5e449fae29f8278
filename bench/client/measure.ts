import { performance } from "node:perf_hooks";
import type { Fault } from "./faults.ts";
import { judge, type Verdict } from "./judge.ts";
import type { Message } from "./messages.ts";
import type { RemoteServer } from "./remote.ts";
import type { Sender } from "./senders.ts";

/** One sender, once. */
export interface Measured extends Verdict {
  readonly requests: number;
  readonly milliseconds: number;
}

/** Lets one sender send all, and asks the server what came of it. */
export async function measure(
  server: RemoteServer,
  sender: Sender,
  messages: readonly Message[],
  fault: Fault,
): Promise<Measured> {
  await server.begin(fault);
  const began = performance.now();
  const told = await sender.send(messages);
  const milliseconds = performance.now() - began;
  const taken = await server.taken();
  return { ...judge(messages, told, taken), requests: taken.requests, milliseconds };
}
