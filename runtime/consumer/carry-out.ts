import { parseEnvelope, type QueueMessage } from "../message.ts";
import { type Control, parseControl } from "../parking-lot/control.ts";
import type { ParkedMessage } from "../parking-lot/parked-message.ts";
import type { ParkedKey } from "../parking-lot/parking-lot.ts";
import { attemptDelivery } from "./attempt.ts";
import { outageWait } from "./backoff.ts";
import { endsSoon, type Invocation, ids, isExpired, SETTLED, type Step, tooLate } from "./invocation.ts";

/** Parked messages that a replay reads at once. A page of DynamoDB ends at 1 MiB in any case. */
const PAGE = 10;

/** What a control message came to, in `control.settled`. */
type Result = "delivered" | "stopped" | "discarded" | "edited" | "nothing-to-do" | "refused";

/** A control message under way. */
interface Order<Verb extends Control["verb"]> {
  readonly message: QueueMessage;
  readonly control: Control & { readonly verb: Verb };
  /** The control message's own, 20 digits. */
  readonly sequenceNumber: string;
}

/**
 * Carries out a control message. Its group's messages are with this invocation alone, and everything before it in the group is out
 * of the queue: the caller has seen to both. So nobody else reads or writes what it works on.
 *
 * It can be killed at any await, and comes again then: each step is one that can be made twice. One that was carried out to its
 * end does nothing when it comes again. One that makes no sense is told in the log and leaves the queue: it is nobody's message.
 *
 * Yields after each delivery.
 *
 * @param isSuspect whether the control message was received so often that something under it may kill the function
 */
export async function* carryOut(
  message: QueueMessage,
  isSuspect: boolean,
  invocation: Invocation,
): AsyncGenerator<undefined, Step, undefined> {
  const outage = () => outageWait(message.receiveCount, invocation.ports.random());
  if (endsSoon(invocation)) return tooLate(invocation, outage);
  const parsed = parseControl(message);
  if (parsed === undefined || "fault" in parsed) {
    tell(message, "unknown", "refused", invocation, { detail: parsed?.fault });
    return SETTLED;
  }
  const { control } = parsed;
  if (isExpired(message, invocation)) {
    // As long as it waits, what was sent behind it waits too, and SQS would drop that with it. A person can send it again.
    tell(message, control.verb, "refused", invocation, { detail: "expired" });
    return SETTLED;
  }
  const sequenceNumber = message.sequenceNumber.padStart(20, "0");
  switch (control.verb) {
    case "replay":
      return yield* replay({ message, control, sequenceNumber }, isSuspect, invocation);
    case "discard":
      return discard({ message, control, sequenceNumber }, invocation);
    case "edit":
      return edit({ message, control, sequenceNumber }, invocation);
  }
}

/** Delivers what is parked below the control message, in order, up to the first message that is refused again. */
async function* replay(
  { message, sequenceNumber }: Order<"replay">,
  isSuspect: boolean,
  invocation: Invocation,
): AsyncGenerator<undefined, Step, undefined> {
  const { queue, ports } = invocation;
  const { groupId } = message;
  const next = (after?: string) => ports.parkingLot.read(queue.name, groupId, PAGE, after);
  let delivered = 0;
  let page = await next();
  for (let parked = page[0]; parked !== undefined && parked.sequenceNumber < sequenceNumber; parked = page[0]) {
    // It stopped here, and was to leave the queue then.
    if (parked.stoppedBy === sequenceNumber) {
      tell(message, "replay", "nothing-to-do", invocation);
      return SETTLED;
    }
    const attempted = await attemptDelivery(
      {
        ...idsOf(parked),
        body: parked.body,
        idempotencyKey: parked.idempotencyKey,
        attemptsBefore: parked.attempts,
        // An expired one was not tried at last, but perhaps before.
        mayBeCounted:
          parked.attempts > 0 || parked.reason === "expired" || (message.receiveCount > 1 && delivered === 0),
        countedSince: parked.lastFailureAt ?? parked.parkedAt,
        // What was under way when the function was killed is the first one that is left.
        isSuspect: (isSuspect && delivered === 0) || parked.reason === "crashed",
      },
      // Behind what was delivered just now, a blip costs a second, however often the control message was received.
      () => outageWait(delivered === 0 ? message.receiveCount : 1, ports.random()),
      invocation,
    );
    if (attempted.kind === "waits") return attempted.step;
    if (attempted.kind === "refused") {
      const firstFailureAt = parked.firstFailureAt ?? attempted.failure.firstFailureAt;
      await ports.parkingLot.recordFailure(parked, { ...attempted.failure, firstFailureAt }, sequenceNumber);
      await attempted.forget();
      const { reason, detail } = attempted.failure;
      tell(message, "replay", "stopped", invocation, { delivered, at: parked.sequenceNumber, reason, detail });
      return SETTLED;
    }
    page = page.length > 1 ? page.slice(1) : await next(parked.sequenceNumber);
    await release(parked, page[0], invocation);
    await attempted.forget();
    delivered += 1;
    ports.log("info", "message.settled", {
      ...ids(queue, parked),
      outcome: "accepted",
      attempt: attempted.attempt,
      replayedBy: sequenceNumber,
    });
    yield;
  }
  tell(message, "replay", delivered === 0 ? "nothing-to-do" : "delivered", invocation, { delivered });
  return SETTLED;
}

/** Takes one message out of the parking lot, undelivered, and leaves a tombstone. */
async function discard({ message, control, sequenceNumber }: Order<"discard">, invocation: Invocation): Promise<Step> {
  const { queue, ports } = invocation;
  const key = keyOf(invocation, message, control);
  // Nothing behind the control message is parked yet; when it comes again something may be.
  const parked = key.sequenceNumber < sequenceNumber ? await ports.parkingLot.get(key) : undefined;
  if (parked === undefined) {
    tell(message, "discard", "nothing-to-do", invocation, { at: key.sequenceNumber });
    return SETTLED;
  }
  const discardedAt = new Date(ports.now()).toISOString();
  const tombstone = { ...parked, discardedBy: sequenceNumber, discardedAt, discardReason: control.reason };
  await ports.parkingLot.bury(tombstone, queue.retentionSeconds);
  // Two items of at most 400 KB each are one page.
  const [oldest, second] = await ports.parkingLot.read(queue.name, message.groupId, 2);
  if (oldest?.sequenceNumber === parked.sequenceNumber) await release(parked, second, invocation);
  else await ports.parkingLot.remove(parked);
  tell(message, "discard", "discarded", invocation, { at: parked.sequenceNumber });
  return SETTLED;
}

/** Gives one parked message another body, and keeps the one that was sent. */
async function edit({ message, control, sequenceNumber }: Order<"edit">, invocation: Invocation): Promise<Step> {
  const { ports } = invocation;
  const key = keyOf(invocation, message, control);
  const parsed = parseEnvelope(control.body, message.groupId);
  if ("fault" in parsed) {
    tell(message, "edit", "refused", invocation, { at: key.sequenceNumber, detail: parsed.fault });
    return SETTLED;
  }
  const parked = key.sequenceNumber < sequenceNumber ? await ports.parkingLot.get(key) : undefined;
  if (parked === undefined || parked.editedBy === sequenceNumber) {
    tell(message, "edit", "nothing-to-do", invocation, { at: key.sequenceNumber });
    return SETTLED;
  }
  await ports.parkingLot.keepOriginal(parked);
  await ports.parkingLot.replaceBody(key, control.body, sequenceNumber);
  tell(message, "edit", "edited", invocation, { at: key.sequenceNumber });
  return SETTLED;
}

/**
 * Takes the group's oldest message away. The next one is in the index before that: a kill in between lists the group twice, which
 * readers know, and never not at all.
 */
async function release(oldest: ParkedMessage, next: ParkedMessage | undefined, invocation: Invocation): Promise<void> {
  const { queue, ports } = invocation;
  if (next !== undefined) await ports.parkingLot.markOldest(next);
  await ports.parkingLot.remove(oldest);
  if (next === undefined) ports.log("info", "group.released", ids(queue, oldest));
}

function keyOf(
  { queue }: Invocation,
  { groupId }: QueueMessage,
  { sequenceNumber }: { sequenceNumber: string },
): ParkedKey {
  return { queue: queue.name, groupId, sequenceNumber };
}

function idsOf({ groupId, messageId, sequenceNumber }: ParkedMessage) {
  return { groupId, messageId, sequenceNumber };
}

function tell(
  message: QueueMessage,
  verb: Control["verb"] | "unknown",
  result: Result,
  { queue, ports }: Invocation,
  more: Readonly<Record<string, string | number | undefined>> = {},
): void {
  const level = result === "refused" ? "error" : result === "stopped" ? "warn" : "info";
  ports.log(level, "control.settled", { ...ids(queue, message), verb, result, ...more });
}
