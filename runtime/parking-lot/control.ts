import type { OutgoingMessage, QueueMessage } from "../message.ts";

/**
 * Message attributes of a control message, all of them strings. The gateway's templates send no attributes, so no producer's
 * request can be taken for one; whoever may call SendMessage on the queue itself can send them.
 */
export const CONTROL_ATTRIBUTES = {
  verb: "control",
  /** Of the one parked message that is meant. */
  sequenceNumber: "control-sequence-number",
  reason: "control-reason",
} as const;

/** Longest reason of a discard, in characters. */
export const MAX_REASON_CHARACTERS = 256;

/** What a person wants done with a group's parked messages. */
export type Control =
  /** Deliver all that was sent before this control message, in order, up to the first one that is refused again. */
  | { readonly verb: "replay" }
  /** Take one out of the parking lot, undelivered. */
  | { readonly verb: "discard"; readonly sequenceNumber: string; readonly reason: string }
  /** Give one another body: an envelope of the same group. */
  | { readonly verb: "edit"; readonly sequenceNumber: string; readonly body: string };

/**
 * Reads a message that may be a control message.
 *
 * @returns undefined when it is none; `fault` when it is one that nobody can carry out
 * @example parseControl(message) // { control: { verb: "replay" } }
 */
export function parseControl(
  message: Pick<QueueMessage, "attributes" | "body">,
): { readonly control: Control } | { readonly fault: string } | undefined {
  const verb = message.attributes[CONTROL_ATTRIBUTES.verb];
  if (verb === undefined) return undefined;
  if (verb === "replay") return { control: { verb } };
  const sequenceNumber = message.attributes[CONTROL_ATTRIBUTES.sequenceNumber] ?? "";
  if (verb !== "discard" && verb !== "edit") return { fault: "unknown verb" };
  if (!/^\d{1,20}$/.test(sequenceNumber)) return { fault: `${verb} without a sequence number` };
  const named = { sequenceNumber: sequenceNumber.padStart(20, "0") };
  if (verb === "edit") return { control: { verb, ...named, body: message.body } };
  return { control: { verb, ...named, reason: message.attributes[CONTROL_ATTRIBUTES.reason] ?? "" } };
}

/**
 * A control message for a group. It goes into the group's own queue, behind all that was sent before: FIFO's lock on the group
 * then keeps everything else of the group away while it is carried out.
 *
 * @param deduplicationId one that was never used, such as a UUID: the same control message may be wanted again within five minutes
 * @example await send(queueUrl, controlMessage({ verb: "replay" }, "10", randomUUID()))
 */
export function controlMessage(control: Control, groupId: string, deduplicationId: string): OutgoingMessage {
  const { verb } = control;
  return {
    // What is no envelope would be refused, were it ever taken for a producer's message.
    body: verb === "edit" ? control.body : JSON.stringify({ control: verb }),
    groupId,
    deduplicationId: `control-${deduplicationId}`,
    attributes: {
      [CONTROL_ATTRIBUTES.verb]: verb,
      ...(verb === "replay" ? {} : { [CONTROL_ATTRIBUTES.sequenceNumber]: control.sequenceNumber }),
      // SQS takes no empty attribute.
      ...(verb === "discard" && control.reason !== "" ? { [CONTROL_ATTRIBUTES.reason]: control.reason } : {}),
    },
  };
}
