import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { z } from "zod";
import { createQueues } from "../../runtime/local/create-queues.ts";
import { startQueueServer } from "../../runtime/local/queue/server.ts";
import type { Clock } from "../../sdk/client/src/clock.ts";
import { GATEWAY_TIMEOUT_MILLISECONDS } from "../../sdk/client/src/contract.ts";
import {
  type FifoClientErrorCode,
  type FifoClientOptions,
  isFifoClientError,
  type Outcome,
  type PausedGroup,
  type RequestEvent,
  type ResponseEvent,
  type RetryEvent,
  type SendResult,
  type SequenceWarning,
  type UnsentMessage,
} from "../../sdk/client/src/index.ts";
import { openClient } from "./client-gateway.ts";
import { type Fault, PASS, type Proxied, serveFaults } from "./fault-proxy.ts";
import { argumentOf, changed, gatewayResources, queueOf, REGION } from "./gateway-resources.ts";
import { folder, gatewayBefore } from "./local-gateway.ts";

/** One call of `send()`, and what its caller was told last. */
export interface Sent {
  readonly n: number;
  readonly groupId: string;
  /** What the caller was told: of the call, or of the replay of its message. */
  told?:
    | { readonly accepted: SendResult }
    | { readonly outcome: Outcome; readonly code: FifoClientErrorCode; readonly attempts: number };
}

/** One message as the queue holds it. */
export interface Queued extends SendResult {
  readonly n: number;
  readonly groupId: string;
}

/** What the client's hooks said, in their order. */
export interface Heard {
  readonly requests: RequestEvent[];
  readonly responses: ResponseEvent[];
  readonly retries: RetryEvent[];
  readonly paused: PausedGroup[];
  readonly warnings: SequenceWarning[];
}

const QUEUE_PATH = "/queue-1";
const envelope = z.strictObject({ data: z.looseObject({ MessageGroupID: z.string(), n: z.int() }) });

/**
 * The client, and behind it a proxy with faults, the project's own gateway, another proxy with faults, and the project's
 * own queue server. Gateway and queues are those that the stacks emit.
 */
export async function openFaultWorld(
  t: TestContext,
  options: {
    /** What the proxy between client and gateway does. */
    readonly faults?: (request: Proxied) => Fault;
    /** What the proxy between gateway and queue does; no proxy without it. */
    readonly queueFaults?: (request: Proxied) => Fault;
    readonly hold?: (connection: number) => boolean;
    /** The client's and the proxy's. @default one that runs only while nobody is at work */
    readonly clock?: Clock;
    readonly client?: Partial<FifoClientOptions>;
    /** Told the client's time of each request's begin and end. */
    readonly onRequest?: (now: number) => void;
    readonly onResponse?: (now: number) => void;
    /** The usage plan's, in requests a second and at once. */
    readonly throttle?: { readonly rate_limit: number; readonly burst_limit: number };
  },
) {
  const jumping = jumpingClock();
  const clock = options.clock ?? jumping;
  const server = await startQueueServer({ file: join(folder(t), "queues.sqlite"), region: REGION });
  t.after(() => server.close());
  const sqs = new SQSClient({
    endpoint: server.url,
    region: REGION,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
  });
  t.after(() => sqs.destroy());
  const emitted = await gatewayResources(server.url);
  createQueues(server.engine, emitted);
  const QueueUrl = argumentOf(queueOf(emitted, QUEUE_PATH), "url");
  const resources = options.throttle
    ? changed(emitted, "aws_api_gateway_usage_plan", {}, { throttle_settings: options.throttle })
    : emitted;
  const behind =
    options.queueFaults && (await serveFaults(t, { target: server.url, script: options.queueFaults, clock }));
  const gateway = await gatewayBefore(t, { sqs: behind?.url ?? server.url, resources });
  const { origin, pathname } = new URL(gateway.url);
  const proxy = await serveFaults(t, {
    target: origin,
    script: options.faults ?? (() => PASS),
    clock,
    ...(options.hold && { hold: options.hold }),
  });
  const heard: Heard = { requests: [], responses: [], retries: [], paused: [], warnings: [] };
  const open = () =>
    openClient(`${proxy.url}${pathname}`, clock, {
      apiKey: gateway.key,
      attemptTimeoutMilliseconds: GATEWAY_TIMEOUT_MILLISECONDS,
      onRequest(event) {
        heard.requests.push(event);
        options.onRequest?.(clock.now());
      },
      onResponse(event) {
        heard.responses.push(event);
        options.onResponse?.(clock.now());
      },
      onRetry: (event) => void heard.retries.push(event),
      onGroupPaused: (group) => void heard.paused.push(group),
      onWarning: (warning) => void heard.warnings.push(warning),
      ...options.client,
    });
  const client = open();

  /**
   * Time passes only while every request that the client waits for is stuck, and nothing is under way to the queue: so
   * only what should time out does, and what comes late comes when it should, however busy the machine is.
   */
  function runClock(): void {
    const inFlight = heard.requests.length - heard.responses.length;
    if (inFlight === proxy.stuck() && proxy.busy() === 0) jumping.jump();
  }
  const running = setInterval(runClock, 1);
  t.after(() => clearInterval(running));

  const sent: Sent[] = [];

  /** Sends the next number to a group, and keeps what its caller is told. Resolves when it was told, never rejects. */
  function send(groupId: string, payload: Readonly<Record<string, unknown>> = {}): Promise<Sent> {
    const call: Sent = { n: sent.length + 1, groupId };
    sent.push(call);
    return keep(call, client.send(groupId, { ...payload, n: call.n }));
  }

  /** Sends what `close()` returned with another client, as after a restart. */
  function sendAgain(other: typeof client, { groupId, payload, deduplicationId }: UnsentMessage): Promise<Sent> {
    const { n } = z.looseObject({ n: z.int() }).parse(payload);
    const call = sent[n - 1];
    assert(call?.groupId === groupId);
    return keep(call, other.send(groupId, { n }, { deduplicationId }));
  }

  /** Sends a failed message again under its own id, as `client.resume()`. */
  function replay(call: Sent): Promise<Sent> {
    return keep(call, client.resume(call.groupId, "replay"));
  }

  async function keep(call: Sent, promise: Promise<SendResult>): Promise<Sent> {
    try {
      call.told = { accepted: await promise };
    } catch (error) {
      assert(isFifoClientError(error), `not an error of the client: ${String(error)}`);
      const { outcome, code, attempts } = error;
      call.told = { outcome, code, attempts };
    }
    return call;
  }

  /** Takes everything out of the queue with AWS's own client, in the order in which it hands it out. */
  async function drain(): Promise<Queued[]> {
    const received: Queued[] = [];
    for (;;) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          MessageSystemAttributeNames: ["All"],
          WaitTimeSeconds: 0,
        }),
      );
      if (Messages.length === 0) break;
      received.push(...Messages.map(readMessage));
      const Entries = Messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle }));
      const { Failed = [] } = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
      assert.deepEqual(Failed, []);
    }
    const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
    assert.equal(Attributes["ApproximateNumberOfMessages"], "0");
    assert.equal(Attributes["ApproximateNumberOfMessagesNotVisible"], "0");
    return received;
  }

  /**
   * Holds what the queue has against what the callers were told, once nothing is on its way any more.
   *
   * @returns what is in the queue, by its group
   */
  async function judge(): Promise<Map<string, Queued[]>> {
    await proxy.settled();
    await behind?.settled();
    const received = await drain();
    const groups = Map.groupBy(received, ({ groupId }) => groupId);
    const byNumber = new Map(received.map((message) => [message.n, message]));
    assert.equal(byNumber.size, received.length, "a message is in the queue twice");
    for (const { n, groupId, told } of sent) {
      const found = byNumber.get(n);
      byNumber.delete(n);
      assert(told !== undefined, `the call ${n} was never told anything`);
      if ("accepted" in told) {
        assert(found, `${n} of group ${groupId} was accepted and is not in the queue`);
        const { messageId, sequenceNumber, deduplicationId } = found;
        assert.deepEqual(told.accepted, { messageId, sequenceNumber, deduplicationId });
        assert.equal(found.groupId, groupId);
      } else if (told.outcome !== "unknown") {
        assert.equal(
          found,
          undefined,
          `${n} of group ${groupId} was ${told.outcome} (${told.code}) and is in the queue`,
        );
      }
    }
    assert.deepEqual([...byNumber.keys()], [], "what nobody sent is in the queue");
    for (const [groupId, messages] of groups) {
      for (const [at, { n, sequenceNumber }] of messages.entries()) {
        const before = messages[at - 1];
        if (before === undefined) continue;
        assert(before.n < n, `group ${groupId}: ${before.n} came before ${n}`);
        assert(before.sequenceNumber < sequenceNumber, `group ${groupId}: the sequence numbers do not grow`);
      }
    }
    return groups;
  }

  return { client, open, clock, proxy, behind, gateway, heard, sent, send, sendAgain, replay, judge };
}

/** What {@link openFaultWorld} opens. */
export type FaultWorld = Awaited<ReturnType<typeof openFaultWorld>>;

/** A clock that stands still until it jumps to the next moment that somebody waits for. */
function jumpingClock(): Clock & { jump(): void } {
  const timers = new Set<{ readonly at: number; readonly wake: () => void }>();
  let now = 0;
  return {
    now: () => now,
    after(milliseconds, wake) {
      const timer = { at: now + milliseconds, wake };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    jump() {
      const next = Math.min(...[...timers].map(({ at }) => at));
      if (next === Number.POSITIVE_INFINITY) return;
      now = next;
      for (const timer of timers) if (timer.at === next && timers.delete(timer)) timer.wake();
    },
  };
}

function readMessage({ Body = "", Attributes = {}, MessageId = "" }: Message): Queued {
  const { data } = envelope.parse(JSON.parse(Body));
  const { MessageGroupId: groupId = "", SequenceNumber = "", MessageDeduplicationId = "" } = Attributes;
  assert.equal(data.MessageGroupID, groupId);
  return {
    n: data.n,
    groupId,
    messageId: MessageId,
    sequenceNumber: SequenceNumber,
    deduplicationId: MessageDeduplicationId,
  };
}
