/**
 * The soak's backend, a process of its own: answers by each message's fate and by the weather, and writes every delivery down
 * before it answers. A kill loses no answer that was given; it starts again from what it wrote.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { z } from "zod";
import { listen } from "../../runtime/local/listen.ts";
import { openLineFile } from "../../runtime/response-server/line-file.ts";
import { DELIVERY_HEADERS, IDEMPOTENCY_KEY_HEADER } from "../../sdk/client/src/contract.ts";
import { type Given, planAnswer, type Weather } from "./answers.ts";
import { bodySchema, type Delivery, deliverySchema } from "./delivery.ts";
import { ACCEPT } from "./fate.ts";
import { createRandom } from "./random.ts";

const weatherSchema = z.enum(["calm", "faults", "unavailable", "failing"]);
const environmentSchema = z.object({
  PORT: z.coerce.number(),
  FILE: z.string(),
  SEED: z.coerce.number(),
  /** Counts the starts, so that each has other random numbers. */
  START: z.string(),
  WEATHER: weatherSchema,
});

const { PORT, FILE, SEED, START, WEATHER } = environmentSchema.parse(process.env);
const random = createRandom(SEED, `backend/${START}`);
const given = new Map<string, Given>();
let weather: Weather = WEATHER;

process.on("disconnect", () => process.exit(0));
// Ctrl-C in a terminal reaches every process; the one that started this one ends it.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
process.on("message", (message) => {
  weather = weatherSchema.parse(message);
});

// Cuts off the line that a kill left unfinished: nobody had its answer.
const whole = await openLineFile(FILE, (line) => count(deliverySchema.parse(JSON.parse(line.toString()))));
await whole.close();
const file = openSync(FILE, "a");
process.on("exit", () => closeSync(file));

const server = createServer((request, response) => {
  serve(request, response).catch(() => void request.socket.destroy());
});
const url = await listen(server, PORT);
process.send?.(url);

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const header = (name: string) => z.string().optional().parse(request.headers[name]);
  const idempotencyKey = header(IDEMPOTENCY_KEY_HEADER) ?? null;
  const messageId = header(DELIVERY_HEADERS.messageId) ?? "";
  const parsed = bodySchema.safeParse(parse(Buffer.concat(chunks).toString()));
  // What nobody of this run sent is accepted and written down as such: the verdict names it.
  const data = parsed.success ? parsed.data.data : { queue: "?", MessageGroupID: "?", n: 0, fate: ACCEPT, edit: 0 };
  const known = given.get(idempotencyKey ?? messageId) ?? { accepted: false, rejections: 0, failures: 0 };
  const plan = planAnswer(known, data.fate, weather, random);
  const delivery: Delivery = {
    at: Date.now(),
    queue: data.queue,
    groupId: data.MessageGroupID,
    n: data.n,
    edit: data.edit,
    messageId,
    idempotencyKey,
    attempt: header(DELIVERY_HEADERS.attempt) ?? "",
    answer: plan.answer,
  };
  count(delivery);
  // With the system once this returns, whatever kills this process.
  writeSync(file, `${JSON.stringify(delivery)}\n`);
  process.send?.(plan.answer);
  if (plan.delayMilliseconds > 0) await new Promise((done) => setTimeout(done, plan.delayMilliseconds));
  if (plan.hangUp) {
    request.socket.resetAndDestroy();
    return;
  }
  const { status, body, retryAfterSeconds } = plan;
  const headers = retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}

function count({ idempotencyKey, messageId, answer }: Delivery): void {
  const key = idempotencyKey ?? messageId;
  const known = given.get(key) ?? { accepted: false, rejections: 0, failures: 0 };
  given.set(key, known);
  if (answer === "accepted") known.accepted = true;
  if (answer === "rejected") known.rejections += 1;
  if (answer === "failed") known.failures += 1;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
