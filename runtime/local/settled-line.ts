import { z } from "zod";

/** One line of the consumer's log, as far as local mode reads it. */
export interface SettledLine {
  readonly queue: string;
  readonly messageId: string;
  /** `accepted`, `dead-lettered` or `parked`. */
  readonly outcome: string;
}

const settledSchema = z.object({
  event: z.literal("message.settled"),
  queue: z.string(),
  messageId: z.string(),
  outcome: z.string(),
});

/**
 * Reads a line of `consumer.jsonl`.
 *
 * @returns undefined when it is no `message.settled`
 */
export function parseSettled(line: string): SettledLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // A function's output may be anything; a kill may have cut it.
    return undefined;
  }
  const parsed = settledSchema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}
