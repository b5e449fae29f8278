import { Buffer } from "node:buffer";
import { SqsError } from "./errors.ts";

/** What a receipt handle stands for: one receive of one message. */
export interface Receipt {
  readonly queueId: number;
  readonly sequence: number;
  readonly receiveCount: number;
}

const PATTERN = /^receipt:(\d{1,15}):(\d{1,15}):(\d{1,15})$/;

/** The handle of one receive; the receive count in it makes every receive's handle a new one. */
export function formatReceipt({ queueId, sequence, receiveCount }: Receipt): string {
  return Buffer.from(`receipt:${queueId}:${sequence}:${receiveCount}`).toString("base64");
}

/** @throws SqsError `ReceiptHandleIsInvalid` when it is not a handle at all, or one of another queue */
export function parseReceipt(handle: string, queueId: number): Receipt {
  const [, queue, sequence, receiveCount] = PATTERN.exec(Buffer.from(handle, "base64").toString()) ?? [];
  if (queue === undefined || sequence === undefined || receiveCount === undefined) {
    throw new SqsError("ReceiptHandleIsInvalid", `The input receipt handle "${handle}" is not a valid receipt handle.`);
  }
  if (Number(queue) !== queueId) {
    throw new SqsError("ReceiptHandleIsInvalid", `The receipt handle "${handle}" is not valid for this queue.`);
  }
  return { queueId, sequence: Number(sequence), receiveCount: Number(receiveCount) };
}
