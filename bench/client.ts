import { printCost } from "./client/cost.ts";
import { serveParent, startServer } from "./client/remote.ts";
import { compareSizes } from "./client/sizes.ts";
import { compareSpeed } from "./client/speed.ts";
import { compareUnderFaults } from "./client/under-faults.ts";

// The client beside what else sends to a FIFO queue, each as its documentation says, to one local server in a process of
// its own that speaks both protocols and answers after 20 ms; what each weighs; and what batches save on paper.

if (process.send === undefined) {
  const server = await startServer(import.meta.filename);
  try {
    await compareSpeed(server, { messages: 1_000, groups: 100, rounds: 5 });
    await compareSpeed(server, { messages: 1_000, groups: 10, rounds: 5 });
    // Where the batches cannot be full: groups that are no multiple of ten, and one group alone.
    await compareSpeed(server, { messages: 1_000, groups: 33, rounds: 5 });
    await compareSpeed(server, { messages: 100, groups: 1, rounds: 5 });
    await compareUnderFaults(server);
  } finally {
    server.close();
  }
  console.log("");
  printCost();
  console.log("");
  await compareSizes();
} else await serveParent();
