/**
 * Moves all messages from one queue to the other and back again, by message move tasks, until it is killed. A line on stdout says
 * that it is in the middle of a move. Arguments: the queue file.
 */
import { writeSync } from "node:fs";
import { QueueEngine } from "../../runtime/local/queue/engine.ts";
import { DEAD_LETTER, QUEUE, REGION } from "./queue-engine.ts";

const file = process.argv[2];
if (file === undefined) throw new Error("usage: queue-mover.ts FILE");
const engine = new QueueEngine({ file, region: REGION });
const arns = [QUEUE, DEAD_LETTER].map((name) => engine.queueArn(name));
for (;;) {
  const running = arns.flatMap((arn) => engine.moveTasks(arn)).find(({ status }) => status === "RUNNING");
  if (running === undefined) {
    const [sourceArn, destinationArn] = engine.messageIds(QUEUE).size > 0 ? arns : arns.toReversed();
    if (sourceArn !== undefined) engine.startMoveTask({ sourceArn, destinationArn });
  } else if (running.moved > 0) writeSync(1, ".\n");
  await new Promise((done) => setTimeout(done, 1));
}
