import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as after } from "node:timers/promises";
import { type Fault, NO_FAULT } from "./faults.ts";
import { Intake, type Taken } from "./intake.ts";
import { type Answer, read } from "./protocols.ts";

/** Every answer comes so long after the whole request. */
export const ANSWER_MILLISECONDS = 20;

/** A server that is told what to do wrong, and tells what it saw. */
export interface Server {
  readonly url: string;
  /** Forgets what it saw. */
  begin(fault: Fault): void;
  taken(): Taken;
}

/**
 * Starts it on a port of its own. A message is taken at some moment of the 20 ms: requests that are under way together
 * can overtake one another, as they can between a producer and a real queue.
 */
export function serve(): Promise<Server> {
  let intake = new Intake(NO_FAULT);
  const server = createServer({ keepAliveTimeout: 120_000, noDelay: true }, (request, response) => {
    handle(intake, request, response).catch((error: unknown) => {
      console.error(error);
      response.writeHead(418).end();
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      resolve({
        url: `http://127.0.0.1:${port}`,
        begin(fault) {
          intake = new Intake(fault);
        },
        taken: () => intake.taken(),
      });
    });
  });
}

async function handle(intake: Intake, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  // Both run from here on, so that reading the body is part of the 20 ms.
  const [taking, answering] = [after(Math.random() * ANSWER_MILLISECONDS), after(ANSWER_MILLISECONDS)];
  const { entries, answer, broken } = read({
    path: request.url ?? "",
    header(name) {
      const value = request.headers[name];
      return typeof value === "string" ? value : undefined;
    },
    text: body,
  });
  const arrivals = intake.arrive(entries);
  const wrong = intake.requestFault(arrivals);
  await taking;
  const outcomes = wrong === "broken" ? [] : intake.take(entries, arrivals);
  await answering;
  if (wrong === "answer-lost") request.socket.resetAndDestroy();
  else write(response, wrong === "broken" ? broken() : answer(outcomes));
}

function write(response: ServerResponse, { status, type, body }: Answer): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { "content-type": type, "content-length": bytes.byteLength }).end(bytes);
}
