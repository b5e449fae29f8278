import * as z from "zod/mini";

/** A queue that the consumer serves, as the stack describes it. */
export type QueueSettings = CommonSettings &
  (
    | {
        /** A refused message goes to the dead-letter queue, and its group goes on. */
        readonly failurePolicy: "dead-letter";
        readonly deadLetterUrl: string;
      }
    | {
        /** A refused message is parked, and so is all that follows it in its group, until a person lets the group go on. */
        readonly failurePolicy: "park";
      }
  );

interface CommonSettings {
  /** Name in the configuration and in the route, e.g. `queue-1`. */
  readonly name: string;
  readonly url: string;
  /** What every message of a batch gets when its invocation begins, in seconds. */
  readonly visibilityTimeoutSeconds: number;
  /** How long SQS keeps a message, in seconds. */
  readonly retentionSeconds: number;
  /** Attempts that may end as `failed` before the message is rejected. */
  readonly maxAttempts: number;
}

/** All that the consumer is told from outside. */
export interface Environment {
  /** Deliveries are POSTs to exactly this URL. */
  readonly backendUrl: string;
  /** For one whole answer, headers and body, in milliseconds. */
  readonly backendTimeoutMilliseconds: number;
  readonly parkingLotTable: string;
  /** By queue ARN, which is what an event's records carry. */
  readonly queues: ReadonlyMap<string, QueueSettings>;
}

/** A variable is missing or makes no sense. The text names it, its value and what was expected. */
export class ConfigurationError extends Error {
  readonly code = "INVALID_CONFIGURATION";
  constructor(variable: string, received: string, expected: string) {
    super(`${variable} is ${received}; expected ${expected}`);
    this.name = "ConfigurationError";
  }
}

const httpUrl = z.url({ protocol: /^https?$/ });
const integer = (minimum: number, maximum: number) => z.int().check(z.minimum(minimum), z.maximum(maximum));

/** SQS's own bounds: visibility up to 12 hours, retention of a minute to 14 days. */
const commonFields = {
  name: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,80}$/)),
  url: httpUrl,
  visibilityTimeoutSeconds: integer(1, 43_200),
  retentionSeconds: integer(60, 1_209_600),
  maxAttempts: integer(1, 1_000),
};
const queueSchema = z.discriminatedUnion("failurePolicy", [
  z.strictObject({ ...commonFields, failurePolicy: z.literal("dead-letter"), deadLetterUrl: httpUrl }),
  z.strictObject({ ...commonFields, failurePolicy: z.literal("park") }),
]);
const queuesSchema = z.record(z.string().check(z.regex(/^arn:[^:]+:sqs:[^:]+:\d{12}:.+$/)), queueSchema);

/**
 * Reads the consumer's environment. Nothing has a default: the stack writes every value.
 *
 * @param variables `BACKEND_URL`, `BACKEND_TIMEOUT_MILLISECONDS`, `PARKING_LOT_TABLE` and `QUEUES` (JSON by queue ARN)
 * @throws ConfigurationError with the variable's name, its value and what was expected
 * @example readEnvironment(process.env).backendUrl // "http://10.0.1.5:8000/"
 */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  return {
    backendUrl: readBackendUrl(variables["BACKEND_URL"]),
    backendTimeoutMilliseconds: readTimeout(variables["BACKEND_TIMEOUT_MILLISECONDS"]),
    parkingLotTable: readTable(variables["PARKING_LOT_TABLE"]),
    queues: readQueues(variables["QUEUES"]),
  };
}

function readBackendUrl(text: string | undefined): string {
  const expected = "an absolute http or https URL without user and password, such as http://10.0.1.5:8000/";
  const url = text === undefined ? null : URL.parse(text);
  if (url !== null && (url.username !== "" || url.password !== "")) {
    throw new ConfigurationError("BACKEND_URL", "a URL with a user or a password (not shown)", expected);
  }
  if (text === undefined || url === null || !/^https?:$/.test(url.protocol)) {
    throw new ConfigurationError("BACKEND_URL", show(text), expected);
  }
  return text;
}

function readTimeout(text: string | undefined): number {
  const parsed = integer(1, 900_000).safeParse(text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined);
  if (!parsed.success) {
    throw new ConfigurationError("BACKEND_TIMEOUT_MILLISECONDS", show(text), "a whole number from 1 to 900000");
  }
  return parsed.data;
}

function readTable(text: string | undefined): string {
  if (text === undefined || !/^[A-Za-z0-9_.-]{3,255}$/.test(text)) {
    throw new ConfigurationError("PARKING_LOT_TABLE", show(text), "a DynamoDB table's name");
  }
  return text;
}

function readQueues(text: string | undefined): ReadonlyMap<string, QueueSettings> {
  const expected = "a JSON object of queue settings by queue ARN";
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    throw new ConfigurationError("QUEUES", show(text), expected);
  }
  const parsed = queuesSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = (issue?.path ?? []).map((part) => `[${JSON.stringify(part)}]`).join("");
    const received = show(JSON.stringify(valueAt(value, issue?.path ?? [])));
    throw new ConfigurationError(`QUEUES${path}`, received, `${expected} (${issue?.code}: ${issue?.message})`);
  }
  if (Object.keys(parsed.data).length === 0) throw new ConfigurationError("QUEUES", "empty", "at least one queue");
  return new Map(Object.entries(parsed.data));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const part of path) at = typeof at === "object" && at !== null ? Reflect.get(at, part) : undefined;
  return at;
}

function show(text: string | undefined): string {
  return text === undefined ? "missing" : JSON.stringify(text);
}
