import { z } from "zod";

/** What the path's process is started with, as its one argument. */
export const pathArgumentsSchema = z.object({
  data: z.string(),
  synthesised: z.string(),
  backendUrl: z.string(),
  seed: z.int(),
  /** Counts the starts. */
  start: z.int(),
  faults: z.boolean(),
  /** Whether a batch of each queue begins after its messages' visibility ran out. */
  late: z.boolean(),
});

/** What it says once it serves. */
export const servingSchema = z.object({
  endpoint: z.string(),
  sqs: z.string(),
  dynamodb: z.string(),
  region: z.string(),
  key: z.string(),
});

/** What it says when it lets batches wait until their messages' visibility has run out: for so many milliseconds. */
export const lateSchema = z.object({ late: z.int() });

/** What it can be told: to kill one process of the function, or all of them, or to end in good order. */
export const orderSchema = z.enum(["kill-one", "kill-all", "stop"]);
