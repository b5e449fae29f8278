import { z } from "zod";
import type { MessageAttributes } from "./message.ts";

const texts = z.record(z.string(), z.string());
const messageAttributes = z.record(
  z.string(),
  z.union([
    z.object({ dataType: z.string(), stringValue: z.string() }),
    z.object({ dataType: z.string(), binaryValue: z.string() }),
  ]),
);

/** A column of names and values (attributes, tags). */
export const parseTexts = (column: string): Record<string, string> => texts.parse(JSON.parse(column));

/** The column of a message's attributes; NULL when it has none. */
export const parseMessageAttributes = (column: string | undefined): MessageAttributes =>
  column === undefined ? {} : messageAttributes.parse(JSON.parse(column));
