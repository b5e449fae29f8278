import { z } from "zod";

const block = z.record(z.string(), z.unknown());
const byName = z.record(z.string(), block);
const byType = z.record(z.string(), byName);

/**
 * One stack's `cdk.tf.json`: Terraform's JSON syntax, one object a block. Strict, so that a kind of block that local mode
 * would not run (`module`, `moved`, `check`, ...) is an error that names it.
 */
export const documentSchema = z.strictObject({
  "//": z.unknown().optional(),
  terraform: z.object({ backend: byName.optional(), cloud: block.optional() }).optional(),
  provider: z.record(z.string(), z.array(block)).optional(),
  variable: byName.optional(),
  locals: block.optional(),
  data: byType.optional(),
  resource: byType.optional(),
  output: byName.optional(),
});

/** A stack's parsed file. */
export type Document = z.infer<typeof documentSchema>;
