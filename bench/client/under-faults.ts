import { median } from "../compare.ts";
import type { Fault } from "./faults.ts";
import { type Measured, measure } from "./measure.ts";
import { createMessages } from "./messages.ts";
import type { RemoteServer } from "./remote.ts";
import {
  clientSends,
  clientSendsMany,
  fetchInsists,
  fetchSends,
  type OpenSender,
  producerInsists,
  producerSends,
  sdkSinglesAtOnce,
  sdkSlices,
  sdkSlicesInsist,
} from "./senders.ts";

const MESSAGES = 500;
const GROUPS = 50;
const SEEDS = [1, 2, 3];

const FAULTS: Readonly<Record<string, Omit<Fault, "seed">>> = {
  "one message in 20 is not taken the first time it comes": { kind: "busy", oneIn: 20 },
  "one request in 20 is answered 503, and nothing of it taken": { kind: "answers-503", oneIn: 20 },
  "one request in 20 is taken, and its connection reset before the answer": { kind: "answer-lost", oneIn: 20 },
  "every request of one second is answered 503, and nothing of it taken": { kind: "outage", oneIn: 1 },
  "one message in 100 is refused each time it comes": { kind: "refused", oneIn: 100 },
};

const SENDERS: Readonly<Record<string, OpenSender>> = {
  "@org/fifo-client, send() and flush()": clientSends,
  "@org/fifo-client, sendMany()": clientSendsMany,
  "fetch, a loop a group that ends with a failure": fetchSends,
  "fetch, a loop a group that sends again": fetchInsists,
  "sqs-producer, send([...])": producerSends,
  "sqs-producer, and its failedMessages sent again": producerInsists,
  "@aws-sdk/client-sqs, slices of ten in turn": sdkSlices,
  "@aws-sdk/client-sqs, slices in turn, Failed sent again before the next": sdkSlicesInsist,
  "@aws-sdk/client-sqs, singles at once": sdkSinglesAtOnce,
};

/** Who keeps order when the server fails, and what is lost: sums over the seeds, the same seeds for all. */
export async function compareUnderFaults(server: RemoteServer): Promise<void> {
  console.log(
    "\nwith faults; overtook: taken while an earlier message of its group was not; lost: not taken, and the caller cannot " +
      "tell which; returned: not taken, and the caller was told which; twice: taken more than once",
  );
  for (const [what, fault] of Object.entries(FAULTS)) {
    console.log(`\n${what} (${MESSAGES} messages over ${GROUPS} groups, sums of ${SEEDS.length} seeds, median time):`);
    for (const [name, open] of Object.entries(SENDERS)) {
      const runs: Measured[] = [];
      for (const seed of SEEDS) {
        const sender = open(server.url);
        try {
          const messages = createMessages({ messages: MESSAGES, groups: GROUPS });
          runs.push(await measure(server, sender, messages, { ...fault, seed }));
        } finally {
          sender.close();
        }
      }
      const sum = (value: (run: Measured) => number) => runs.reduce((total, run) => total + value(run), 0);
      const overtook = sum((run) => run.overtook);
      console.log(
        `${name}: order kept: ${overtook === 0 ? "yes" : `no (${overtook} overtook)`}, ` +
          `lost ${sum((run) => run.lost)}, returned ${sum((run) => run.returned)}, twice ${sum((run) => run.twice)}; ` +
          `${sum((run) => run.requests)} requests, ${median(runs.map((run) => run.milliseconds)).toFixed(0)} ms`,
      );
    }
  }
}
