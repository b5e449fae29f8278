import { median } from "../compare.ts";
import { NO_FAULT } from "./faults.ts";
import { type Measured, measure } from "./measure.ts";
import { createMessages } from "./messages.ts";
import type { RemoteServer } from "./remote.ts";
import {
  clientSends,
  clientSendsMany,
  fetchSends,
  type OpenSender,
  producerSends,
  sdkSinglesAtOnce,
  sdkSlices,
  sdkSlicesAtOnce,
} from "./senders.ts";
import { ANSWER_MILLISECONDS } from "./serve.ts";

const OURS = "@org/fifo-client, send() and flush()";
const SENDERS: Readonly<Record<string, OpenSender>> = {
  [OURS]: clientSends,
  "@org/fifo-client, sendMany()": clientSendsMany,
  "fetch, a loop a group": fetchSends,
  "sqs-producer, send([...])": producerSends,
  "@aws-sdk/client-sqs, slices of ten in turn": sdkSlices,
  "@aws-sdk/client-sqs, slices of ten at once": sdkSlicesAtOnce,
  "@aws-sdk/client-sqs, singles at once": sdkSinglesAtOnce,
};

/** What is sent. */
export interface Load {
  readonly messages: number;
  readonly groups: number;
  readonly rounds: number;
}

/** Requests and wall time of each sender, in turns, with a server that does nothing wrong. */
export async function compareSpeed(server: RemoteServer, { messages: count, groups, rounds }: Load): Promise<void> {
  const senders = Object.entries(SENDERS).map(([name, open]) => ({
    name,
    sender: open(server.url),
    runs: new Array<Measured>(),
  }));
  for (let round = -1; round < rounds; round += 1) {
    for (const { sender, runs } of senders) {
      const run = await measure(server, sender, createMessages({ messages: count, groups }), NO_FAULT);
      // What starts has connections to open and code to compile.
      if (round >= 0) runs.push(run);
    }
  }
  for (const { sender } of senders) sender.close();

  const rows = senders.map(({ name, runs }) => ({
    name,
    requests: median(runs.map((run) => run.requests)),
    milliseconds: median(runs.map((run) => run.milliseconds)),
    overtook: Math.max(...runs.map((run) => run.overtook)),
    missing: Math.max(...runs.map((run) => run.lost + run.returned + run.twice)),
  }));
  const ours = rows.find(({ name }) => name === OURS);
  if (ours === undefined) throw new Error(`no row of ${OURS}`);
  const least = Math.ceil(count / groups) * ANSWER_MILLISECONDS;
  console.log(
    `\n${count.toLocaleString("en")} messages over ${groups === 1 ? "1 group" : `${groups} groups`}, medians of ${rounds}; ` +
      `one request of a group at a time needs at least ${least} ms:`,
  );
  for (const { name, requests, milliseconds, overtook, missing } of rows) {
    if (missing > 0) throw new Error(`${name}: ${missing} messages lost or twice without a fault`);
    console.log(
      `${name}: ${requests} requests, ${milliseconds.toFixed(0)} ms, ` +
        `order kept: ${overtook === 0 ? "yes" : `no (${overtook} overtook)`}; ` +
        `requests / ours = ${(requests / ours.requests).toFixed(2)}; time / ours = ${(milliseconds / ours.milliseconds).toFixed(2)}`,
    );
  }
  const peers = rows.filter(({ name, overtook }) => !name.startsWith("@org/") && overtook === 0);
  sayGoal("fewest requests of those that keep order", peers, ours, ({ requests }) => requests);
  sayGoal("shortest time of those that keep order", peers, ours, ({ milliseconds }) => milliseconds);
}

function sayGoal<Row extends { readonly name: string }>(
  goal: string,
  peers: readonly Row[],
  ours: Row,
  value: (row: Row) => number,
): void {
  const [best] = peers.toSorted((a, b) => value(a) - value(b));
  if (best === undefined) throw new Error("no peer kept order");
  console.log(`${goal}: best peer / ours = ${(value(best) / value(ours)).toFixed(2)} (>= 1; the peer is ${best.name})`);
}
