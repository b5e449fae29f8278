import { ensure } from "./errors.ts";
import type { Message } from "./message.ts";

/** What a schema has against a value. */
export interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A value as a schema gives it back, or what it has against it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

/**
 * A schema of zod, valibot, arktype or any other library that follows Standard Schema, version 1
 * (https://standardschema.dev). Its validation may be asynchronous.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema has let pass. */
export interface Passed {
  readonly value: unknown;
}

/**
 * What the schema makes of a payload: at once, or later when the schema is asynchronous.
 *
 * @throws FifoClientError `INVALID_PAYLOAD`, at once or later
 */
export function validate(schema: StandardSchema, payload: unknown, message: Message): Passed | Promise<Passed> {
  const pass = (result: SchemaResult<unknown>): Passed => {
    const { issues } = result;
    ensure(!issues, "INVALID_PAYLOAD", "payload fails the schema", message.ids, { issues });
    return result as Passed;
  };
  // What a schema throws is not kept: it can quote the payload.
  const fail = () => pass({ issues: [] });
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>;
  try {
    result = schema["~standard"].validate(payload);
  } catch {
    return fail();
  }
  return "then" in result ? Promise.resolve(result).then(pass, fail) : pass(result);
}
