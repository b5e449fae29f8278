/** A queue of the soak's deployment. */
export interface SoakQueue {
  readonly name: string;
  readonly failurePolicy: "dead-letter" | "park";
}

/** One of each failure policy. */
export const QUEUES: readonly SoakQueue[] = [
  { name: "queue-1", failurePolicy: "dead-letter" },
  { name: "queue-2", failurePolicy: "park" },
];

export const DEPLOYMENT = "soak";

/** Of one delivery. */
export const BACKEND_TIMEOUT_MILLISECONDS = 500;
/** More than the backend's timeout and what the consumer keeps free behind it, and two seconds and a half to work in. */
export const FUNCTION_TIMEOUT_SECONDS = 10;
/** Six times the function's timeout, the least that a deployment may have: so long a killed consumer's messages are hidden. */
export const VISIBILITY_SECONDS = 60;
/** Above {@link MOST_FAILURES}, so that no weather uses up the attempts of a message that is to be accepted. */
export const MAX_ATTEMPTS = 4;
/** Of a message that is to be accepted, answers of the backend that count as a failed attempt. */
export const MOST_FAILURES = 2;
