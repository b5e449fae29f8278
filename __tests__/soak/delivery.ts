import { z } from "zod";
import { fateSchema } from "./fate.ts";

/** What the producer puts into a message, and the backend finds in it. */
export const payloadSchema = z.object({
  queue: z.string(),
  MessageGroupID: z.string(),
  n: z.int(),
  fate: fateSchema,
  /** An operator's edit: counted from 1, 0 for what the producer sent. */
  edit: z.int(),
});

/** What the backend gets. */
export const bodySchema = z.object({ data: payloadSchema });

/** One delivery, as the backend writes it down before it answers. */
export const deliverySchema = z.object({
  /** Milliseconds since the epoch. */
  at: z.int(),
  queue: z.string(),
  groupId: z.string(),
  n: z.int(),
  edit: z.int(),
  messageId: z.string(),
  /** null when the delivery had none. */
  idempotencyKey: z.string().nullable(),
  attempt: z.string(),
  answer: z.enum(["accepted", "rejected", "failed", "unavailable"]),
});
export type Delivery = z.infer<typeof deliverySchema>;
