/**
 * The whole path as one process, which a kill of its process group takes away as a whole: what `npm start` runs, on the soak's
 * deployment and with the soak's backend.
 */
import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { z } from "zod";
import { startLocal } from "../../runtime/local/start-local.ts";
import { VISIBILITY_SECONDS } from "./queues.ts";
import { createRandom } from "./random.ts";
import { orderSchema, pathArgumentsSchema } from "./serving.ts";

/** The batch that begins late is one of each queue's first. */
const LATE_BATCH = { least: 4, most: 20 } as const;
const LATE_MILLISECONDS = (VISIBILITY_SECONDS + 2) * 1_000;

const { data, synthesised, backendUrl, seed, start, faults, late } = pathArgumentsSchema.parse(
  JSON.parse(z.string().parse(process.argv[2])),
);
const random = createRandom(seed, `path/${start}`);
const functions = new Set<ChildProcess>();

const childSchema = z.object({
  process: z.custom<ChildProcess>((value) => typeof value === "object" && value !== null),
});
subscribe("child_process", (message) => {
  const { process: child } = childSchema.parse(message);
  // The channel tells of a child before it runs, so its arguments come a moment later.
  process.nextTick(() => {
    if (!child.spawnargs.some((argument) => argument.endsWith("bootstrap.ts"))) return;
    functions.add(child);
    child.once("exit", () => functions.delete(child));
  });
});

process.on("disconnect", () => process.exit(1));
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);

const lateBatch = late ? random.between(LATE_BATCH.least, LATE_BATCH.most) : undefined;
const local = await startLocal({
  data,
  synthesised,
  backendUrl,
  say: (line) => void process.stdout.write(`${new Date().toISOString()} ${line}\n`),
  ...(faults && {
    startDelayMilliseconds: (batch: number) => {
      if (batch === lateBatch) {
        process.send?.({ late: LATE_MILLISECONDS });
        return LATE_MILLISECONDS;
      }
      return random.chance(0.05) ? random.between(1, 400) : 0;
    },
  }),
});

process.on("message", (message) => {
  const order = orderSchema.parse(message);
  if (order === "stop") {
    void local.close().then(() => process.disconnect());
    return;
  }
  const running = [...functions];
  const one = random.pick(running);
  for (const child of order === "kill-all" ? running : one === undefined ? [] : [one]) child.kill("SIGKILL");
});

const { endpoint, sqs, dynamodb, region, keys } = local;
process.send?.({ endpoint, sqs, dynamodb, region, key: keys[0]?.value ?? "" });
