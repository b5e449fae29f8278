/**
 * Sends, receives and deletes until it is killed, and writes a line to stdout for each call that was answered,
 * `sent <group> <messageId> <sequenceNumber>` or `deleted <group> <messageId>`, and `deleting <group> <messageId>` before a
 * delete is called. Arguments: the queue file.
 */
import { writeSync } from "node:fs";
import { QueueEngine } from "../../runtime/local/queue/engine.ts";

const file = process.argv[2];
if (file === undefined) throw new Error("usage: queue-sender.ts FILE");
const engine = new QueueEngine({ file, region: "ap-northeast-2" });
engine.createQueue("orders.fifo", { FifoQueue: "true", ContentBasedDeduplication: "false" });

for (let number = 0; ; number += 1) {
  const groupId = String(number % 7);
  const body = `message ${number} ${"x".repeat(500)}`;
  const { messageId, sequenceNumber } = engine.send("orders.fifo", {
    groupId,
    body,
    deduplicationId: `${process.pid}-${number}`,
  });
  writeSync(1, `sent ${groupId} ${messageId} ${sequenceNumber}\n`);
  if (number % 5 !== 0) continue;
  const [message] = await engine.receive("orders.fifo");
  if (message === undefined) continue;
  writeSync(1, `deleting ${message.groupId} ${message.messageId}\n`);
  engine.delete("orders.fifo", message.receiptHandle);
  writeSync(1, `deleted ${message.groupId} ${message.messageId}\n`);
}
