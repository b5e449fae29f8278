/** What happened, in the words that dashboards and alarms filter on. */
export type LogEvent =
  | "message.settled"
  | "group.waiting"
  | "group.dropped"
  | "group.blocked"
  | "group.released"
  | "control.settled"
  | "parked.groups"
  | "attempts.failed"
  | "queue.failed"
  | "consumer.failed";

/** Ids, counts and reasons: never a body, never a key. */
export type LogFields = Readonly<Record<string, string | number | undefined>>;

/** Writes one line. */
export type Log = (level: "info" | "warn" | "error", event: LogEvent, fields: LogFields) => void;

/**
 * A log of one JSON object a line: `level`, `event`, `time`, then the fields. Fields that are undefined are left out.
 *
 * @param write takes a whole line, newline included
 * @example createLog((line) => process.stdout.write(line), Date.now)("info", "group.dropped", { groupId: "10" })
 */
export function createLog(write: (line: string) => void, now: () => number): Log {
  return (level, event, fields) => {
    write(`${JSON.stringify({ level, event, time: new Date(now()).toISOString(), ...fields })}\n`);
  };
}

/** An error's code or name: its message could hold a URL or a header. */
export function errorName(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code: unknown = Reflect.get(at, "code");
    if (typeof code === "string") return code;
    if (at.cause === undefined) return at.name;
  }
  return "unknown";
}
