/** What went wrong, for programs. */
export type OpsErrorCode =
  /** An argument or an option makes no sense. */
  | "INVALID_ARGUMENT"
  /** What destroys was not confirmed, so nothing was done. */
  | "NOT_CONFIRMED"
  /** No region, or no credentials. */
  | "NOT_CONFIGURED"
  /** Local mode is not running in that folder. */
  | "NOT_RUNNING"
  /** AWS knows no such queue or table. */
  | "UNKNOWN_QUEUE"
  | "UNKNOWN_DEPLOYMENT"
  /** The group, or the message, is not in the parking lot. */
  | "NOT_PARKED"
  /** The table holds an item that no consumer wrote. */
  | "NOT_A_PARKED_MESSAGE"
  /** The queue numbers lower than what is parked: no control message reaches that. */
  | "QUEUE_MADE_ANEW"
  /** The message is not in the dead-letter queue. */
  | "NOT_DEAD_LETTERED"
  /** A payload that the queue or the consumer would refuse. */
  | "PAYLOAD_REFUSED"
  /** What should be a plan of Terraform's is none. */
  | "PLAN_UNREADABLE"
  /** AWS refused a call, or could not be reached. */
  | "ACCESS_DENIED"
  | "AWS_FAILED";

/** Exit codes of the command. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** A usage error, or nothing was done since it was not confirmed. */
  usage: 2,
  /** A plan has risks at or above `--fail-on`. There, a usage error is 1, so that 2 means this alone. */
  risky: 2,
  /** The verb was sent and goes on; its effect was not seen in time. */
  timedOut: 3,
  /** A replay stopped at a message that was refused again. */
  stopped: 4,
  /** Ctrl-C, as shells have it. */
  interrupted: 130,
} as const;

/** Says what was wrong, with which value, and the way out. Holds no key and no message body. */
export class OpsError extends Error {
  override readonly name = "OpsError";
  readonly code: OpsErrorCode;

  constructor(code: OpsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** What the command exits with. */
  get exitCode(): number {
    return this.code === "INVALID_ARGUMENT" || this.code === "NOT_CONFIRMED" ? EXIT.usage : EXIT.failed;
  }
}
