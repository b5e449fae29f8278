import type { Delivery } from "./delivery.ts";

/** A message as its producer knows it. */
export interface Sent {
  readonly queue: string;
  readonly groupId: string;
  /** Counts the group's messages from 1, in the order of the calls. */
  readonly n: number;
  /** `refused`: it is not in the queue. `unknown`: it may be. */
  readonly told: "accepted" | "unknown" | "refused";
  /** Of what was accepted. */
  readonly messageId?: string | undefined;
}

/** A message of which something was found at the end. */
export interface Found {
  readonly queue: string;
  readonly groupId: string;
  readonly n: number;
}

/** One that was set aside for good, and when: milliseconds since the epoch. */
export interface SetAside extends Found {
  readonly at: number;
}

/** All that the verdict is made of. */
export interface Evidence {
  readonly queues: readonly string[];
  /** Whether everything was healed, replayed and waited for. Else the verdict is one so far, and what waits is not lost. */
  readonly ended: boolean;
  readonly sent: readonly Sent[];
  /** What the backend wrote down, in its order. */
  readonly deliveries: readonly Delivery[];
  /** In a dead-letter queue at the end. */
  readonly deadLettered: readonly SetAside[];
  /** Tombstones at the end. */
  readonly discarded: readonly SetAside[];
  /** Those whose original body is kept. */
  readonly edited: readonly Found[];
  /** In the parking lot at the end. */
  readonly parked: readonly Found[];
  /** In a queue at the end. */
  readonly waiting: readonly Found[];
  /** Parked at least once. */
  readonly everParked: readonly Found[];
}

/** What must not happen. */
export type ViolationKind =
  /** Accepted by the gateway, and nowhere. */
  | "lost"
  /** Accepted by the backend, or even delivered, out of its group's order. */
  | "reordered"
  /** In two of backend, dead-letter queue, tombstones and parking lot. */
  | "two-places"
  /** Delivered without an idempotency-key. */
  | "no-key"
  /** One message had several keys, or two messages had one. */
  | "wrong-key"
  /** Two messages of the queue are one of the producer's. */
  | "doubled"
  /** The producer was told that it is not in the queue, and it was. */
  | "refused-yet-there"
  /** Accepted with the body that an operator had replaced. */
  | "stale-body"
  /** Delivered, and nobody sent it. */
  | "stranger"
  /** Not settled, though everything was healed and waited for. */
  | "stuck";

/** One of them: a message by its numbers, never by its body. */
export interface Violation extends Found {
  readonly kind: ViolationKind;
  readonly detail: string;
}

/** How many messages. */
export interface Counts {
  readonly sent: number;
  readonly accepted: number;
  readonly unknown: number;
  readonly refused: number;
  readonly deliveredOnce: number;
  /** Accepted by the backend more than once, under one idempotency-key. */
  readonly deliveredAgain: number;
  readonly parked: number;
  /** Parked, and then accepted by the backend as they were sent. */
  readonly replayed: number;
  /** Accepted with an operator's body. */
  readonly edited: number;
  readonly discarded: number;
  readonly deadLettered: number;
  readonly waiting: number;
  readonly lost: number;
  readonly reordered: number;
  readonly withoutKey: number;
  /** Violations of every other kind. */
  readonly other: number;
}

export interface Verdict {
  readonly ok: boolean;
  readonly queues: Readonly<Record<string, Counts>>;
  readonly all: Counts;
  readonly violations: readonly Violation[];
}

/** One message, and all that is known of it. */
interface Message extends Found {
  readonly sent: Sent;
  readonly deliveries: Delivery[];
  readonly acceptances: Delivery[];
  readonly deadLetteredAt: number | undefined;
  readonly discardedAt: number | undefined;
  readonly isEdited: boolean;
  readonly isParked: boolean;
  readonly isWaiting: boolean;
  readonly wasParked: boolean;
}

/**
 * Holds what was found against strict order.
 *
 * Per group, messages are delivered in the order of sending, each for the first time only when every one before it was accepted
 * by the backend, dead-lettered or discarded by a person; and each that the gateway accepted ends in exactly one of those places.
 * Deliveries of a message after its first acceptance are no matter: they have its idempotency-key.
 *
 * @example judge(evidence).ok // false: judge(evidence).violations names what is wrong
 */
export function judge(evidence: Evidence): Verdict {
  const { messages, strangers } = collect(evidence);
  const violations: Violation[] = strangers.map(({ queue, groupId, n, messageId }) => ({
    kind: "stranger",
    queue,
    groupId,
    n,
    detail: `message ${messageId} was delivered, and nobody sent it`,
  }));
  for (const message of messages) violations.push(...judgeMessage(message, evidence.ended));
  violations.push(...sharedKeys(messages));
  const deliveries = Map.groupBy(evidence.deliveries, groupName);
  for (const [group, own] of Map.groupBy(messages, groupName)) {
    violations.push(...judgeOrder(own, deliveries.get(group) ?? []));
  }
  return {
    ok: violations.length === 0,
    queues: Object.fromEntries(
      evidence.queues.map((name) => [
        name,
        countAll(
          messages.filter(({ queue }) => queue === name),
          violations.filter(({ queue }) => queue === name),
        ),
      ]),
    ),
    all: countAll(messages, violations),
    violations,
  };
}

const name = ({ queue, groupId, n }: Found) => `${queue}/${groupId}/${n}`;
const groupName = ({ queue, groupId }: Pick<Found, "queue" | "groupId">) => `${queue}/${groupId}`;

function collect(evidence: Evidence): { messages: Message[]; strangers: Delivery[] } {
  const names = (found: readonly Found[]) => new Set(found.map(name));
  const earliest = (found: readonly SetAside[]) => {
    const times = new Map<string, number>();
    for (const one of found) times.set(name(one), Math.min(one.at, times.get(name(one)) ?? one.at));
    return times;
  };
  const deliveries = Map.groupBy(evidence.deliveries, name);
  const deadLettered = earliest(evidence.deadLettered);
  const discarded = earliest(evidence.discarded);
  const edited = names(evidence.edited);
  const parked = names(evidence.parked);
  const waiting = names(evidence.waiting);
  const everParked = names([...evidence.everParked, ...evidence.parked, ...evidence.discarded]);
  const messages = evidence.sent.map((sent): Message => {
    const own = name(sent);
    const delivered = deliveries.get(own) ?? [];
    deliveries.delete(own);
    return {
      queue: sent.queue,
      groupId: sent.groupId,
      n: sent.n,
      sent,
      deliveries: delivered,
      acceptances: delivered.filter(({ answer }) => answer === "accepted"),
      deadLetteredAt: deadLettered.get(own),
      discardedAt: discarded.get(own),
      isEdited: edited.has(own),
      isParked: parked.has(own),
      isWaiting: waiting.has(own),
      wasParked: everParked.has(own),
    };
  });
  return { messages, strangers: [...deliveries.values()].flatMap(([first]) => first ?? []) };
}

function judgeMessage(message: Message, ended: boolean): Violation[] {
  const { queue, groupId, n, sent, deliveries, acceptances, isParked, isWaiting } = message;
  const violations: Violation[] = [];
  const add = (kind: ViolationKind, detail: string) => void violations.push({ kind, queue, groupId, n, detail });

  const places = [
    ...(acceptances.length > 0 ? ["backend"] : []),
    ...(message.deadLetteredAt === undefined ? [] : ["dead-letter queue"]),
    ...(message.discardedAt === undefined ? [] : ["tombstones"]),
    // On its way from one place to the next, for a moment it is in both.
    ...(isParked && ended ? ["parking lot"] : []),
  ];
  if (places.length > 1) add("two-places", `it is in ${places.join(" and ")}`);
  if (sent.told === "accepted" && places.length === 0 && !isParked && !isWaiting) {
    const answers = deliveries.map(({ answer }) => answer).join(", ");
    add("lost", `the gateway accepted it as ${sent.messageId}; deliveries: ${answers || "none"}`);
  }
  if (sent.told === "refused" && (places.length > 0 || deliveries.length > 0 || isParked || isWaiting)) {
    add("refused-yet-there", `its producer was told that it is not in the queue`);
  }
  if (ended && (isParked || isWaiting)) add("stuck", isParked ? "it is still parked" : "it is still in its queue");

  const keys = new Set(deliveries.map(({ idempotencyKey }) => idempotencyKey));
  if (keys.delete(null)) {
    add("no-key", `${deliveries.filter(({ idempotencyKey }) => idempotencyKey === null).length} of its deliveries`);
  }
  if (keys.size > 1) add("wrong-key", `its ${deliveries.length} deliveries had ${keys.size} keys`);
  const ids = new Set(deliveries.map(({ messageId }) => messageId));
  if (sent.messageId !== undefined) ids.add(sent.messageId);
  if (ids.size > 1) add("doubled", `it is ${ids.size} messages of the queue: ${[...ids].join(", ")}`);
  if (message.isEdited && acceptances[0]?.edit === 0) add("stale-body", "accepted as it was sent, after it was edited");
  return violations;
}

function sharedKeys(messages: readonly Message[]): Violation[] {
  const owners = new Map<string, Message>();
  const violations: Violation[] = [];
  for (const message of messages) {
    for (const key of new Set(message.deliveries.map(({ idempotencyKey }) => idempotencyKey))) {
      if (key === null) continue;
      const owner = owners.get(key);
      owners.set(key, message);
      if (owner === undefined || owner === message) continue;
      const { queue, groupId, n } = message;
      const detail = `it shares its key with ${owner.n} of group ${owner.groupId} in ${owner.queue}`;
      violations.push({ kind: "wrong-key", queue, groupId, n, detail });
    }
  }
  return violations;
}

/**
 * @param messages all of one group, in the order of sending
 * @param deliveries all of that group, in the backend's order
 */
function judgeOrder(messages: readonly Message[], deliveries: readonly Delivery[]): Violation[] {
  // What is lost is called so once, and not by every message behind it.
  const found = messages.filter(isSomewhere);
  const byNumber = new Map(found.map((message) => [message.n, message]));
  const accepted = new Set<Message>();
  const wrong = new Map<number, Violation>();
  let next = 0;

  for (const delivery of deliveries) {
    const message = byNumber.get(delivery.n);
    if (message === undefined) continue;
    for (let head = found[next]; head !== undefined && head.n < message.n; head = found[next]) {
      if (!accepted.has(head) && !isSetAsideBy(head, delivery.at)) break;
      next += 1;
    }
    const head = found[next];
    if (head !== undefined && head.n < message.n && !wrong.has(message.n)) {
      const { queue, groupId, n } = message;
      const detail = `it was delivered (${delivery.answer}) before ${head.n} was settled`;
      wrong.set(n, { kind: "reordered", queue, groupId, n, detail });
    }
    if (delivery.answer === "accepted") accepted.add(message);
  }
  return [...wrong.values()];
}

function isSomewhere({ deliveries, deadLetteredAt, discardedAt, isParked, isWaiting }: Message): boolean {
  return (
    deliveries.some(({ answer }) => answer === "accepted") ||
    deadLetteredAt !== undefined ||
    discardedAt !== undefined ||
    isParked ||
    isWaiting
  );
}

function isSetAsideBy({ deadLetteredAt, discardedAt }: Message, at: number): boolean {
  return (deadLetteredAt ?? Number.POSITIVE_INFINITY) <= at || (discardedAt ?? Number.POSITIVE_INFINITY) <= at;
}

function countAll(messages: readonly Message[], violations: readonly Violation[]): Counts {
  const count = (test: (message: Message) => boolean) => messages.filter(test).length;
  const wrong = (...kinds: ViolationKind[]) => violations.filter(({ kind }) => kinds.includes(kind)).length;
  const named = ["lost", "reordered", "no-key"] as const;
  return {
    sent: messages.length,
    accepted: count(({ sent }) => sent.told === "accepted"),
    unknown: count(({ sent }) => sent.told === "unknown"),
    refused: count(({ sent }) => sent.told === "refused"),
    deliveredOnce: count(({ acceptances }) => acceptances.length === 1),
    deliveredAgain: count(({ acceptances }) => acceptances.length > 1),
    parked: count(({ wasParked }) => wasParked),
    replayed: count(({ wasParked, acceptances }) => wasParked && acceptances[0]?.edit === 0),
    edited: count(({ acceptances }) => acceptances.some(({ edit }) => edit > 0)),
    discarded: count(({ discardedAt }) => discardedAt !== undefined),
    deadLettered: count(({ deadLetteredAt }) => deadLetteredAt !== undefined),
    waiting: count(({ isParked, isWaiting }) => isParked || isWaiting),
    lost: wrong("lost"),
    reordered: wrong("reordered"),
    withoutKey: wrong("no-key"),
    other: violations.length - wrong(...named),
  };
}
