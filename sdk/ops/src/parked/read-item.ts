import {
  type Item,
  ParkedItemError,
  type ParkedMessage,
  parseParked,
  parseTombstone,
  type Tombstone,
} from "../../../../runtime/parking-lot/parked-message.ts";
import { OpsError } from "../errors.ts";

/** @throws OpsError `NOT_A_PARKED_MESSAGE`, with the item's key and the way out */
export function readParked(item: Item): ParkedMessage {
  return read(parseParked, item);
}

/** @throws OpsError `NOT_A_PARKED_MESSAGE`, with the item's key and the way out */
export function readTombstone(item: Item): Tombstone {
  return read(parseTombstone, item);
}

function read<Message>(parse: (item: Item) => Message, item: Item): Message {
  try {
    return parse(item);
  } catch (cause) {
    if (!(cause instanceof ParkedItemError)) throw cause;
    const way = "no verb gets past it. Repair that attribute, or remove the item, in the table by hand";
    throw new OpsError("NOT_A_PARKED_MESSAGE", `${cause.message}: ${way}`, { cause });
  }
}
