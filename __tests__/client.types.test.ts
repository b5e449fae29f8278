import assert from "node:assert/strict";
import { test } from "node:test";
import { createFifoClient, type FifoClientOptions, isSendError, type SendResult } from "../sdk/client/src/index.ts";

interface Alarm {
  readonly transSeq: string;
  readonly level?: number;
}
interface Report {
  readonly report: number;
}
interface Queues {
  "queue-1": Alarm;
  "queue-2": Report;
}

const options = { endpoint: "http://127.0.0.1:9/none", apiKey: "k" };

/** Never called: what counts is what the type checker says about it. */
export function typesOfCalls(alarm: Alarm, failure: unknown): void {
  const untyped = createFifoClient({ ...options, queue: "queue-1" });
  const sent: Promise<SendResult> = untyped.send("10", { anything: [1, { deep: true }] });
  void sent;
  void untyped.send("10", alarm, { deduplicationId: "a1" });
  // @ts-expect-error the client sets MessageGroupID itself
  void untyped.send("10", { MessageGroupID: "10" });
  // @ts-expect-error an array is no JSON object
  void untyped.send("10", [1]);
  // @ts-expect-error a text is no JSON object
  void untyped.send("10", "text");
  // @ts-expect-error a group id is a string
  void untyped.send(10, {});

  const typed = createFifoClient<{ "queue-1": Alarm }>({ ...options, queue: "queue-1" });
  void typed.send("10", { transSeq: "1" });
  void typed.send("10", alarm);
  // @ts-expect-error transSeq is missing
  void typed.send("10", {});
  // @ts-expect-error no such field
  void typed.send("10", { transSeq: "1", trnsSeq: "1" });
  // @ts-expect-error the client sets MessageGroupID itself
  void typed.send("10", { transSeq: "1", MessageGroupID: "10" });
  // @ts-expect-error no such queue
  createFifoClient<{ "queue-1": Alarm }>({ ...options, queue: "queue-2" });

  const second = createFifoClient<Queues, "queue-2">({ ...options, queue: "queue-2" });
  void second.send("10", { report: 1 });
  // @ts-expect-error the payload of another queue
  void second.send("10", alarm);

  const forbidden = createFifoClient<{ "queue-1": { MessageGroupID: string } }>({ ...options, queue: "queue-1" });
  // @ts-expect-error a payload type with MessageGroupID fits nothing
  void forbidden.send("10", { MessageGroupID: "10" });

  const replayed: Promise<SendResult> = untyped.resume("10", "replay");
  const skipped: Promise<void> = untyped.resume("10", "skip");
  void replayed;
  void skipped;
  // @ts-expect-error no such way
  void untyped.resume("10", "again");

  if (isSendError(failure)) {
    const outcome: "rejected" | "unknown" = failure.outcome;
    void outcome;
    // @ts-expect-error not a code of this package
    void (failure.code === "NO_SUCH_CODE");
  }

  // @ts-expect-error the key is required
  const incomplete: FifoClientOptions = { endpoint: "https://fifo.kimalarm.example", queue: "queue-1" };
  void incomplete;
}

test("what the compiler refuses is refused at run time too", async () => {
  const client = createFifoClient({ ...options, queue: "queue-1" });
  // @ts-expect-error the client sets MessageGroupID itself
  await assert.rejects(client.send("10", { MessageGroupID: "10" }), { code: "INVALID_PAYLOAD" });
  // @ts-expect-error an array is no JSON object
  await assert.rejects(client.send("10", [1]), { code: "INVALID_PAYLOAD" });
  // @ts-expect-error a group id is a string
  await assert.rejects(client.send(10, {}), { code: "INVALID_GROUP_ID" });
});
