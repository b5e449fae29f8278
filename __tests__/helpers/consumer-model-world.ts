import assert from "node:assert/strict";
import type { QueueSettings } from "../../runtime/consumer/environment.ts";
import type { Refusal } from "../../runtime/consumer/failure-policy.ts";
import type { LogEvent, LogFields } from "../../runtime/consumer/log.ts";
import type { Outcome } from "../../runtime/consumer/outcome.ts";
import { CALL_MILLISECONDS, type Delivery, type Ports } from "../../runtime/consumer/ports.ts";
import { settle } from "../../runtime/consumer/settle.ts";
import { parseEnvelope, type QueueMessage } from "../../runtime/message.ts";
import { type Control, controlMessage } from "../../runtime/parking-lot/control.ts";
import type { Failure, ParkedMessage } from "../../runtime/parking-lot/parked-message.ts";
import { ReferenceParkingLot } from "./reference-parking-lot.ts";
import { ReferenceQueue, referenceSettings } from "./reference-queue.ts";
import { SimulatedClock } from "./simulated-clock.ts";

/** What happens to one call of a port. A crash ends the whole invocation; what is on its way then still lands. */
export type Fault =
  | "none"
  | "throws-before"
  | "throws-after"
  /** It throws, and its effect comes some time after that. */
  | "lands-late"
  | "crashes-before"
  | "crashes-after"
  /** The queue takes every other message of a batch call. */
  | "refuses-some";

/** What the backend says to one delivery. */
export type Say = Outcome["kind"] | "throws";

/** What the backend says to the body that was sent when its script is at its end; `kills` ends the function. */
export type Forever = "accepted" | "rejected" | "kills";

/** A producer's message. */
export interface Sent {
  readonly id: string;
  readonly groupId: string;
  readonly sequenceNumber: string;
  readonly body: string;
  readonly sentAt: number;
  says: Say[];
  forever: Forever;
}

interface SentControl {
  readonly id: string;
  readonly groupId: string;
  readonly sequenceNumber: string;
  /** Undefined when nobody can carry it out. */
  readonly control: Control | undefined;
  readonly sentAt: number;
}

/** A delivery that reached the backend. */
export interface Delivered extends Delivery {
  readonly invocation: number;
  readonly said: Say | "kills";
  readonly at: number;
}

/** One run of the function. */
interface Run {
  readonly number: number;
  readonly batch: readonly QueueMessage[];
  readonly endsAt: number;
  readonly crashed: Promise<"crashed">;
  crash(): void;
  /** Groups of which the queue refused the hold of any message. */
  readonly lost: Set<string>;
  isDead: boolean;
}

const HOLD_MILLISECONDS = 4_500;
/** What was given up lands within this, or never: shorter than any wait of a group. */
const LATE_MILLISECONDS = 700;

/**
 * Everything the consumer touches, in simulated time, with faults by script. The promises are checked at each effect and at the
 * end of each invocation; what breaks one is written down in `violations`, since the core would take an error for the port's.
 */
export class World {
  readonly clock = new SimulatedClock();
  readonly settings: QueueSettings;
  readonly queue: ReferenceQueue;
  readonly table = new ReferenceParkingLot();
  readonly limits: { readonly backendTimeoutMilliseconds: number };
  readonly sent = new Map<string, Sent>();
  readonly controls = new Map<string, SentControl>();
  readonly accepted = new Set<string>();
  readonly deadLetters = new Map<string, Refusal>();
  readonly deliveries: Delivered[] = [];
  readonly logged: { readonly invocation: number; readonly event: LogEvent; readonly fields: LogFields }[] = [];
  /** Names of the ports' calls, with what became of them: "park crashes-after". */
  readonly calls: { readonly invocation: number; readonly name: string; readonly fault: Fault }[] = [];
  readonly violations: string[] = [];
  /** For the calls to come, in the order in which they begin. */
  faults: Fault[] = [];
  /** For the nth call of a name, counted from 0, before those. */
  namedFaults: readonly { readonly call: string; readonly nth: number; readonly fault: Fault }[] = [];
  readonly #callsOf = new Map<string, number>();
  /** How long the calls to come take: part of the longest they may. */
  takes: readonly number[] = [0.01];
  /** Invocations that were started and have not ended. */
  readonly running = new Set<Promise<void>>();
  mostRunning = 0;
  random = () => 0.5;
  /** What the backend says to everything, while it is set. */
  outage: "unavailable" | undefined;
  /** How long an invocation may take. */
  functionMilliseconds = 60_000;
  /** How long a delivery takes, when it is not by `takes`. */
  deliveryMilliseconds: number | undefined;
  /** Nobody hears what an invocation says, so nothing is deleted after it. */
  loseAnswers = false;
  invocations = 0;
  crashes = 0;
  /** Of a discard that expired half-way there can be a tombstone, and it was not carried out. */
  readonly #halfDiscarded = new Set<string>();
  readonly #givenUpAt = new Map<string, number>();
  readonly #marksLeft: number[] = [];
  #keys = new Map<string, string>();
  #owners = new Map<string, string>();
  #busy = new Map<string, number>();
  #starts = 0;
  /** Received again after it was out of the queue's hands: a crash or a lost answer came between. */
  readonly #twice = new Set<string>();
  #edits = new Map<string, string>();
  #markedBy = new Map<string, number>();

  constructor(
    failurePolicy: QueueSettings["failurePolicy"],
    { backendTimeoutMilliseconds = 10_000 }: { readonly backendTimeoutMilliseconds?: number } = {},
  ) {
    const { deadLetterUrl, ...common } = referenceSettings;
    this.settings =
      failurePolicy === "park" ? { ...common, failurePolicy } : { ...common, failurePolicy, deadLetterUrl };
    this.queue = new ReferenceQueue(common.visibilityTimeoutSeconds);
    this.limits = { backendTimeoutMilliseconds };
  }

  get isParking(): boolean {
    return this.settings.failurePolicy === "park";
  }

  send(
    groupId: string,
    says: readonly Say[] = [],
    more: {
      readonly forever?: Forever | undefined;
      readonly body?: string;
      readonly key?: string | undefined;
      readonly receives?: number | undefined;
    } = {},
  ): Sent {
    this.#tick();
    const n = this.sent.size + this.controls.size + 1;
    const body = more.body ?? envelope(groupId, `n${n}`);
    const { key, receives = 0 } = more;
    const sequenceNumber = this.queue.send(groupId, body, key, { receives });
    const id = `id-${n}`;
    const { forever = "accepted" } = more;
    const one: Sent = { id, groupId, sequenceNumber, body, sentAt: this.clock.now, says: [...says], forever };
    this.sent.set(id, one);
    return one;
  }

  order(control: Control, groupId: string): SentControl {
    const { body, deduplicationId, attributes } = controlMessage(control, groupId, `${this.controls.size}`);
    return this.#sendControl(groupId, body, deduplicationId, attributes, control);
  }

  /** A control message that nobody can carry out. */
  orderNonsense(attributes: QueueMessage["attributes"], groupId: string): SentControl {
    return this.#sendControl(groupId, "nonsense", `nonsense-${this.controls.size}`, attributes, undefined);
  }

  #sendControl(
    groupId: string,
    body: string,
    deduplicationId: string,
    attributes: QueueMessage["attributes"],
    control: Control | undefined,
  ): SentControl {
    this.#tick();
    const n = this.sent.size + this.controls.size + 1;
    const sequenceNumber = this.queue.send(groupId, body, deduplicationId, { attributes });
    const one = { id: `id-${n}`, groupId, sequenceNumber, control, sentAt: this.clock.now };
    this.controls.set(one.id, one);
    return one;
  }

  #tick(): void {
    this.queue.now = this.clock.now;
  }

  receive(most = 10): QueueMessage[] {
    this.#tick();
    const batch = this.queue.receive(most);
    for (const { messageId } of batch) {
      if (this.accepted.has(messageId) || this.deadLetters.has(messageId)) this.#twice.add(messageId);
    }
    return batch;
  }

  /** Starts an invocation, which begins `late` milliseconds after its messages were received. */
  start(batch: readonly QueueMessage[], late = 0): Promise<void> {
    const run = this.#invoke(batch, late).finally(() => this.running.delete(run));
    this.running.add(run);
    this.mostRunning = Math.max(this.mostRunning, this.running.size);
    return run;
  }

  /** Starts one and lets the time pass that it takes. */
  async invoke(batch: readonly QueueMessage[]): Promise<void> {
    let isOver = false;
    void this.start(batch).finally(() => (isOver = true));
    await this.clock.runUntil(() => isOver);
  }

  /** Receives and settles until the queue is empty. */
  async drain(most = 10, turns = 2_000): Promise<void> {
    for (let turn = 0; this.queue.length > 0; turn += 1) {
      assert.ok(turn < turns, `${this.queue.length} messages left after ${turns} turns`);
      const batch = this.receive(most);
      if (batch.length > 0) await this.invoke(batch);
      else await this.clock.run(Math.max(1, (this.queue.nextVisible ?? this.clock.now) - this.clock.now));
    }
  }

  /** Receives and settles for so long: an invocation ends before the next one begins. */
  async poll(milliseconds: number, most = 10): Promise<void> {
    const end = this.clock.now + milliseconds;
    while (this.clock.now < end) {
      const batch = this.receive(most);
      if (batch.length > 0) await this.invoke(batch);
      else await this.clock.run(Math.max(1, Math.min(end, this.queue.nextVisible ?? end) - this.clock.now));
    }
  }

  async #invoke(batch: readonly QueueMessage[], late: number): Promise<void> {
    if (late > 0) await this.clock.after(late);
    const run = this.#begin(batch);
    const ended = settle(this.settings, batch, this.limits, this.#ports(run));
    const kept = await Promise.race([ended, run.crashed]);
    if (kept === "crashed") {
      this.crashes += 1;
      return;
    }
    if (this.clock.now > run.endsAt) this.#violate(`invocation ${run.number} outlived its deadline`);
    if (this.loseAnswers) return;
    const answered = await Promise.race([
      this.#call(run, "answer", 100, () => {
        for (const message of batch) if (!kept.includes(message.messageId)) this.#delete(message);
      }).catch(() => "no answer"),
      run.crashed,
    ]);
    if (answered === "crashed") this.crashes += 1;
  }

  #begin(batch: readonly QueueMessage[]): Run {
    const { promise: crashed, resolve } = Promise.withResolvers<"crashed">();
    const run: Run = {
      number: (this.invocations += 1),
      batch,
      endsAt: this.clock.now + this.functionMilliseconds,
      crashed,
      lost: new Set(),
      crash: () => {
        if (!run.isDead) this.#marksLeft.push(this.clock.now);
        run.isDead = true;
        resolve("crashed");
      },
      isDead: false,
    };
    return run;
  }

  /** One call of a port: takes its time, and may go wrong before or after its effect. */
  async #call<Result>(run: Run, name: string, most: number, effect: (fault: Fault) => Result): Promise<Result> {
    if (run.isDead) return new Promise(() => {});
    const nth = this.#callsOf.get(name) ?? 0;
    this.#callsOf.set(name, nth + 1);
    const named = this.namedFaults.find((one) => one.call === name && one.nth === nth)?.fault;
    const fault = named ?? this.faults.shift() ?? "none";
    this.calls.push({ invocation: run.number, name, fault });
    if (name === "started.clear" && fault !== "none") this.#marksLeft.push(this.clock.now);
    if (fault === "crashes-before") {
      run.crash();
      return new Promise(() => {});
    }
    const part = this.takes[this.calls.length % this.takes.length] ?? 1;
    const milliseconds = name === "deliver" ? (this.deliveryMilliseconds ?? most * part) : most * part;
    await this.clock.after(milliseconds);
    this.#tick();
    if (!run.isDead && this.clock.now > run.endsAt) {
      this.#violate(`invocation ${run.number} was killed at its deadline, in ${name}`);
      run.crash();
    }
    const land = () => {
      const result = effect(fault);
      this.#check(name);
      return result;
    };
    if (fault === "lands-late")
      void this.clock
        .after(LATE_MILLISECONDS)
        .then(land)
        .catch(() => {});
    const result = fault === "throws-before" || fault === "lands-late" ? undefined : { value: land() };
    if (fault === "crashes-after") run.crash();
    // What it was waiting for has happened, and nobody is there to learn of it.
    if (run.isDead) return new Promise(() => {});
    if (result === undefined || fault === "throws-after") throw new Error(name);
    return result.value;
  }

  #ports(run: Run): Ports {
    const call = <Result>(name: string, effect: (fault: Fault) => Result, most = CALL_MILLISECONDS) =>
      this.#call(run, name, most, effect);
    const change = (messages: readonly QueueMessage[], seconds: number) => (fault: Fault) =>
      refusedOf(messages, fault, ({ receiptHandle }) => this.queue.changeVisibility(receiptHandle, seconds));
    return {
      queue: {
        hold: async (_url, messages, seconds) => {
          const refused = await call("hold", change(messages, seconds), HOLD_MILLISECONDS);
          for (const { groupId } of messages.filter(({ messageId }) => refused.has(messageId))) run.lost.add(groupId);
          return refused;
        },
        changeVisibility: (_url, messages, seconds) => call("changeVisibility", change(messages, seconds)),
        delete: (_url, messages) =>
          call("delete", (fault) => refusedOf(messages, fault, (message) => this.#delete(message))),
      },
      backend: { deliver: (delivery) => this.#deliver(run, delivery) },
      deadLetter: (_queue, refusal) =>
        call("deadLetter", () => {
          const { messageId } = refusal.message;
          this.#checkKey(messageId, refusal.idempotencyKey);
          if (this.controls.has(messageId)) this.#violate(`control ${messageId} was dead-lettered`);
          if (this.deadLetters.has(messageId)) return;
          this.deadLetters.set(messageId, refusal);
          this.#checkReason(refusal.message, refusal.failure);
        }),
      ...this.table.ports(
        (effect, name) =>
          call(name, () => {
            const before = new Map([...this.table.parked].map(([key, { message }]) => [key, message]));
            const result = effect();
            this.#checkTable(before, name);
            return result;
          }),
        () => this.clock.now,
      ),
      now: () => this.clock.now,
      random: () => this.random(),
      uniqueId: () => `start-${(this.#starts += 1)}`,
      remaining: () => run.endsAt - this.clock.now,
      log: (_level, event, fields) => {
        if (!run.isDead) this.logged.push({ invocation: run.number, event, fields });
      },
    };
  }

  async #deliver(run: Run, delivery: Delivery): Promise<Outcome> {
    const { groupId } = delivery;
    if (run.isDead) return new Promise(() => {});
    this.#checkDelivery(run, delivery);
    const busy = (more: number) => this.#busy.set(groupId, (this.#busy.get(groupId) ?? 0) + more);
    busy(1);
    let isOver = false;
    const over = () => {
      if (!isOver) busy(-1);
      isOver = true;
    };
    void run.crashed.then(over);
    try {
      return await this.#call(run, "deliver", this.limits.backendTimeoutMilliseconds, () => {
        over();
        return this.#answer(run, delivery);
      });
    } finally {
      over();
    }
  }

  #answer(run: Run, delivery: Delivery): Outcome {
    const one = this.sent.get(delivery.messageId);
    if (one === undefined) return { kind: "accepted" };
    const isFirstBody = delivery.body === one.body;
    const said = this.#say(one, isFirstBody);
    this.deliveries.push({ ...delivery, invocation: run.number, said, at: this.clock.now });
    if (said === "kills") run.crash();
    if (said === "throws" || said === "kills") throw new Error("a bug");
    if (said === "accepted" && !this.accepted.has(one.id)) {
      for (const before of this.#before(one)) {
        if (!this.#isOut(before)) this.#violate(`${one.id} was accepted before ${before.id}`);
      }
      if (!(this.deadLetters.has(one.id) && this.#twice.has(one.id))) {
        const later = [...this.accepted].filter((id) => this.#isAfter(one, id));
        if (later.length > 0) this.#violate(`${one.id} was accepted after ${later.join()}`);
      }
      this.accepted.add(one.id);
    }
    return said === "accepted" ? { kind: said } : { kind: said, detail: said };
  }

  /** A backend that knows its idempotency keys: what it has accepted it accepts again, or is not there. */
  #say(one: Sent, isFirstBody: boolean): Say | "kills" {
    if (this.outage !== undefined) return this.outage;
    const next = one.says.shift() ?? (isFirstBody ? one.forever : "accepted");
    if (!this.accepted.has(one.id)) return next;
    return next === "unavailable" || next === "throws" || next === "kills" ? next : "accepted";
  }

  #isAfter(one: Sent, id: string): boolean {
    const other = this.sent.get(id);
    return other !== undefined && other.groupId === one.groupId && other.sequenceNumber > one.sequenceNumber;
  }

  #before(one: Sent): Sent[] {
    return [...this.sent.values()].filter(
      (other) => other.groupId === one.groupId && other.sequenceNumber < one.sequenceNumber,
    );
  }

  /** Whether what is behind it in its group may go on. */
  #isOut(one: Sent): boolean {
    return this.accepted.has(one.id) || this.deadLetters.has(one.id) || (this.isBuried(one) && !this.isParked(one));
  }

  isParked(one: Pick<Sent, "groupId" | "sequenceNumber">): boolean {
    return this.table.parked.has(this.#nameOf(one));
  }

  isBuried(one: Pick<Sent, "id" | "groupId" | "sequenceNumber">): boolean {
    const name = this.#nameOf(one);
    return this.table.tombstones.has(name) && !(this.#halfDiscarded.has(name) && this.accepted.has(one.id));
  }

  #nameOf({ groupId, sequenceNumber }: Pick<Sent, "groupId" | "sequenceNumber">): string {
    return `${this.settings.name}#${groupId}#${sequenceNumber}`;
  }

  parkedOf(groupId: string): ParkedMessage[] {
    return this.table.groupOf(this.settings.name, groupId);
  }

  get blockedGroups(): ReadonlySet<string> {
    return new Set([...this.table.parked.values()].map(({ message }) => message.groupId));
  }

  #violate(text: string): void {
    this.violations.push(`invocation ${this.invocations}: ${text}`);
  }

  /** @returns whether the receipt was still good */
  #delete({ receiptHandle }: QueueMessage): boolean {
    const id = this.queue.idOf(receiptHandle);
    const isGood = this.queue.delete(receiptHandle);
    const control = id === undefined ? undefined : this.controls.get(id);
    if (control !== undefined) this.#checkCarriedOut(control);
    return isGood;
  }

  /** Whatever was just done, nothing may be lost by it. */
  #check(name: string): void {
    for (const one of this.sent.values()) {
      if (!this.#places(one).some((place) => place)) this.#violate(`${one.id} was lost by ${name}`);
    }
  }

  #places(one: Sent): boolean[] {
    return [
      this.queue.has(one.id),
      this.accepted.has(one.id),
      this.deadLetters.has(one.id),
      this.isParked(one),
      // Until it leaves the parking lot it is there.
      this.isBuried(one) && !this.isParked(one),
    ];
  }

  #checkKey(id: string, key: string): void {
    if (key === "") this.#violate(`${id} has no key`);
    if ((this.#keys.get(id) ?? key) !== key) this.#violate(`${id} has two keys`);
    if ((this.#owners.get(key) ?? id) !== id) this.#violate(`${id} has the key of ${this.#owners.get(key)}`);
    this.#keys.set(id, key);
    this.#owners.set(key, id);
  }

  #checkDelivery(run: Run, delivery: Delivery): void {
    const { groupId, messageId, idempotencyKey, body } = delivery;
    const one = this.sent.get(messageId);
    if (one === undefined) return this.#violate(`control ${messageId} was delivered`);
    this.#checkKey(messageId, idempotencyKey);
    if (run.lost.has(groupId)) this.#violate(`${messageId} was tried though its group may be another one's`);
    if ((this.#busy.get(groupId) ?? 0) > 0) this.#violate(`two deliveries of ${groupId} at once`);
    for (const before of this.#before(one)) {
      if (!this.#isOut(before)) this.#violate(`${messageId} was tried before ${before.id} was out of the way`);
    }
    if (this.isBuried(one) && !this.isParked(one)) this.#violate(`${messageId} was delivered after it was discarded`);
    if (body !== (this.#edits.get(messageId) ?? one.body)) this.#violate(`${messageId} was delivered with an old body`);
    if ("fault" in parseEnvelope(body, groupId)) this.#violate(`${messageId} is no envelope, and was delivered`);
    const [oldest] = this.parkedOf(groupId);
    // One that is older than what is parked has been settled before that, and its delete got lost.
    if (oldest !== undefined && oldest.sequenceNumber <= one.sequenceNumber) {
      const isReplay = run.batch.some((message) => {
        const control = this.controls.get(message.messageId)?.control;
        const isLater = message.groupId === groupId && message.sequenceNumber > one.sequenceNumber;
        return control?.verb === "replay" && isLater && this.queue.has(message.messageId);
      });
      if (oldest.messageId !== messageId) this.#violate(`${messageId} was tried while ${oldest.messageId} is parked`);
      if (!isReplay) this.#violate(`${messageId} is parked, and was tried without a replay`);
    }
  }

  #checkTable(before: ReadonlyMap<string, ParkedMessage>, name: string): void {
    for (const [key, { message }] of this.table.parked) {
      const { messageId, idempotencyKey, body } = message;
      const was = before.get(key);
      if (this.controls.has(messageId)) this.#violate(`control ${messageId} was parked`);
      this.#checkKey(messageId, idempotencyKey);
      if (was?.reason !== message.reason || was.stoppedBy !== message.stoppedBy) this.#checkReason(message, message);
      if (was === undefined && message.reason !== "behind") this.#checkAlone(message);
      if (was?.body !== body) {
        if (was !== undefined) this.#edits.set(messageId, body);
        else if (body !== this.sent.get(messageId)?.body) this.#violate(`${messageId} was parked with another body`);
      }
    }
    for (const group of this.blockedGroups) this.#checkIndex(group, name);
    for (const { messageId, idempotencyKey } of this.table.tombstones.values()) {
      this.#checkKey(messageId, idempotencyKey);
    }
    for (const { messageId, body } of this.table.originals.values()) {
      if (body !== this.sent.get(messageId)?.body) this.#violate(`the original of ${messageId} is not what was sent`);
    }
  }

  /** What is before the first parked message of a group must not come out of the queue once more. */
  #checkAlone({ groupId, sequenceNumber, messageId }: ParkedMessage): void {
    for (const { id, ...one } of [...this.sent.values(), ...this.controls.values()]) {
      const isBefore = one.groupId === groupId && one.sequenceNumber < sequenceNumber;
      if (isBefore && this.queue.has(id)) this.#violate(`${messageId} was parked while ${id} was in the queue`);
    }
  }

  /** The oldest is in the index, and for a moment the next one as well: longer than that only behind a call that went wrong. */
  #checkIndex(group: string, name: string): void {
    const [oldest, second] = this.parkedOf(group);
    const marked = this.parkedOf(group).filter((message) => this.table.parked.get(this.#nameOf(message))?.isMarked);
    if (oldest === undefined) return;
    if (!marked.includes(oldest)) this.#violate(`blocked group ${group} is not in the index, after ${name}`);
    for (const one of marked) {
      if (one !== oldest && one !== second)
        this.#violate(`${one.messageId} of group ${group} is in the index too early`);
    }
    this.#markedBy.set(group, marked.length);
  }

  /** Called where nothing of the group is under way. */
  #checkSingleMark(group: string): void {
    if (this.calls.some(({ fault }) => fault !== "none") || this.crashes > 0) return;
    if ((this.#markedBy.get(group) ?? 0) > 1 && this.parkedOf(group).length > 1) {
      this.#violate(`group ${group} is in the index twice`);
    }
  }

  /** Nobody is given up for what did not happen to it. */
  #checkReason(
    {
      messageId,
      groupId,
      sequenceNumber,
      ...rest
    }: Pick<Sent, "groupId" | "sequenceNumber"> & {
      messageId: string;
      body: string;
    },
    { reason }: Failure,
  ): void {
    // What led to an earlier refusal does not lead to another one.
    const since = this.#givenUpAt.get(messageId) ?? 0;
    if (reason !== "behind") this.#givenUpAt.set(messageId, this.clock.now);
    const said = this.deliveries.filter((one) => one.messageId === messageId && one.at > since).map((one) => one.said);
    const padded = sequenceNumber.padStart(20, "0");
    const fine = {
      rejected: () => said.includes("rejected"),
      "attempts-exhausted": () => said.filter((one) => one === "failed").length >= this.settings.maxAttempts,
      "no-envelope": () => "fault" in parseEnvelope(rest.body, groupId),
      expired: () => this.clock.now - (this.sent.get(messageId)?.sentAt ?? 0) > 12 * 86_400_000,
      // A mark whose clearing failed counts as a crash.
      crashed: () => this.#marksLeft.filter((at) => at > since).length >= 3,
      behind: () => this.parkedOf(groupId).some((one) => one.sequenceNumber <= padded),
    };
    if (!fine[reason]()) this.#violate(`${messageId} was given up as ${reason}, after ${said.join()}`);
  }

  /** A control message left the queue: what was wanted is so. */
  #checkCarriedOut({ id, groupId, sequenceNumber, control, sentAt }: SentControl): void {
    // It was refused as expired, lest what waits behind it expires too.
    if (this.clock.now - sentAt >= 13 * 86_400_000) {
      if (control?.verb === "discard") this.#halfDiscarded.add(this.#nameOf({ ...control, groupId }));
      return;
    }
    const parked = this.parkedOf(groupId);
    const [oldest] = parked;
    this.#checkSingleMark(groupId);
    if (control === undefined) return;
    switch (control.verb) {
      case "replay": {
        const isLeft = oldest !== undefined && oldest.sequenceNumber < sequenceNumber;
        if (isLeft && oldest.stoppedBy !== sequenceNumber)
          this.#violate(`replay ${id} left ${oldest.messageId} parked`);
        if (oldest?.stoppedBy === sequenceNumber && oldest.reason === "behind")
          this.#violate(`replay ${id} says nothing`);
        break;
      }
      case "discard":
        // What is sent later is none of its business.
        if (control.sequenceNumber > sequenceNumber) break;
        if (this.isParked({ groupId, sequenceNumber: control.sequenceNumber })) this.#violate(`discard ${id} left it`);
        break;
      case "edit": {
        const target = parked.find((one) => one.sequenceNumber === control.sequenceNumber);
        const isRefused = "fault" in parseEnvelope(control.body, groupId);
        if (isRefused && target?.body === control.body) this.#violate(`edit ${id} was no envelope, and carried out`);
        if (isRefused || target === undefined || target.sequenceNumber > sequenceNumber) break;
        if (target.body !== control.body || target.editedBy !== sequenceNumber)
          this.#violate(`edit ${id} was not made`);
        const isKept = this.table.originals.has(this.#nameOf(target));
        if (!isKept) this.#violate(`edit ${id} kept no original`);
        break;
      }
    }
  }

  /** What holds when the queue is empty and nothing is parked or under way. */
  assertPromises(): void {
    assert.deepEqual(this.violations, []);
    for (const one of this.sent.values()) {
      const places = this.#places(one).filter((place) => place).length;
      // Behind a crash, or an answer that was lost, the failure policy may take what the backend has: twice, never lost.
      const isTwice = this.#twice.has(one.id) || (this.accepted.has(one.id) && this.crashes > 0);
      if (isTwice) assert.ok(places >= 1, `${one.id} is lost`);
      else assert.equal(places, 1, `${one.id} is in ${places} places`);
    }
    for (const { invocation, event, fields } of this.logged) {
      if (event !== "group.dropped") continue;
      const touched = this.deliveries.filter(
        (one) => one.invocation === invocation && one.groupId === fields["groupId"],
      );
      assert.deepEqual(touched, [], "a dropped group was delivered");
    }
  }
}

/** @returns the ids for which the call was refused */
function refusedOf(
  messages: readonly QueueMessage[],
  fault: Fault,
  apply: (message: QueueMessage) => boolean,
): ReadonlySet<string> {
  const odd = messages.length % 2;
  const refused = messages.filter((message, n) => (fault === "refuses-some" && n % 2 === odd) || !apply(message));
  return new Set(refused.map(({ messageId }) => messageId));
}

export function envelope(groupId: string, text: string): string {
  return `{"data":{"MessageGroupID":"${groupId}","text":"${text}"}}`;
}
