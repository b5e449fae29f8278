import { z } from "zod";

/** An invocation, as it goes to a function's process. */
export const toFunctionSchema = z.object({
  event: z.unknown(),
  requestId: z.string(),
  /** When the process is ended, in milliseconds since 1970. */
  deadline: z.number(),
  functionName: z.string(),
  functionArn: z.string(),
  memoryMegabytes: z.number(),
});

/** An invocation. */
export type ToFunction = z.infer<typeof toFunctionSchema>;

/** What a function's process says. An error goes by its name alone: its text could hold a message's body. */
export const fromFunctionSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ready") }),
  z.object({ kind: z.literal("result"), result: z.unknown() }),
  z.object({ kind: z.literal("error"), name: z.string() }),
]);

/** What a function's process says. */
export type FromFunction = z.infer<typeof fromFunctionSchema>;
