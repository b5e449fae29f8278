import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

const ANSWER_MILLISECONDS = 5;
const messageSchema = z.object({ data: z.object({ answer: z.enum(["accepted", "rejected", "failed-once"]) }) });

/** A backend in this process that does what a message says: accept it, reject it, or fail its first attempt. */
export function answerSlowly(listening: (port: number) => void): void {
  process.once("disconnect", () => process.exit());
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { answer } = messageSchema.parse(JSON.parse(Buffer.concat(chunks).toString())).data;
    const fails = answer === "failed-once" && request.headers["x-message-attempt"] === "1";
    setTimeout(() => {
      response.writeHead(fails ? 500 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify({ status_code: answer === "rejected" ? 422 : 200 }));
    }, ANSWER_MILLISECONDS);
  });
  server.listen(0, "127.0.0.1", () => listening((server.address() as AddressInfo).port));
}

/** @throws Error when the process ends instead of listening */
export async function portOf(child: ChildProcess): Promise<string> {
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the backend's process ended with ${String(code)}`);
  });
  const [port] = await Promise.race([once(child, "message"), ended]);
  return String(port);
}
