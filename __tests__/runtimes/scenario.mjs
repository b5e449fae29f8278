/**
 * What every runtime has to do with the published client. Plain ESM without imports: Node, Deno and Bun load this file as it
 * is, the browser and workerd a bundle of it.
 *
 * @typedef {{
 *   endpoint: string,   the gateway
 *   stuck: string,      an endpoint that never answers
 *   moved: string,      an endpoint that answers with a redirect
 *   arrived: string,    GET <arrived>/<group> answers as soon as a message of the group has reached any of them
 *   key: string,
 *   slowKey: string,    a key of one request a second
 *   run: string,        what this run's groups begin with
 *   canary: string,     stands in payloads, and must never be printed
 * }} World
 */

/** In milliseconds. The longest that a check needs is a few seconds of `Retry-After`. */
const LONGEST_CHECK = 8_000;

class Unmet extends Error {}

function expect(met, text) {
  if (!met) throw new Unmet(text);
}

/** How a promise rejected; it must. */
async function failureOf(promise, sdk) {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error !== undefined, "it resolved");
  expect(sdk.isFifoClientError(error), `it rejected with ${error?.name}: ${error?.message}`);
  // As an application would: what a runtime prints of it is searched for the key and the payload afterwards.
  console.error(error);
  return error;
}

function expectNoSecret(world, error) {
  for (let at = error; at !== undefined && at !== null; at = at.cause) {
    for (const text of [JSON.stringify(at), String(at), String(at.stack)]) {
      expect(!text.includes(world.key) && !text.includes(world.canary), "an error's text holds the key or the payload");
    }
  }
}

const arrival = async (world, group) => expect((await fetch(`${world.arrived}/${group}`)).ok, `${group} never arrived`);

/** Whether sequence numbers, digits only, grow. */
const grow = (numbers) => numbers.every((number, at) => at === 0 || BigInt(numbers[at - 1]) < BigInt(number));

const checks = {
  async "keeps each group's order, awaited or not"({ open, group, canary }) {
    const client = open();
    const groups = ["order-a", "order-b", "order-c", "order-d"].map(group);
    const sent = new Map(groups.map((id) => [id, []]));
    for (let at = 0; at < 5; at += 1) {
      for (const id of groups) sent.get(id).push(client.send(id, { at, canary }));
      if (at % 2 === 1) await sent.get(groups[0]).at(-1);
    }
    await client.flush();
    for (const [id, results] of sent) {
      const numbers = (await Promise.all(results)).map(({ sequenceNumber }) => sequenceNumber);
      expect(grow(numbers), `sequence numbers of ${id} do not grow: ${numbers.join(", ")}`);
    }
    expect((await client.close()).length === 0, "close() left something unsent");
  },

  async "sends ten groups at once"({ open, group, canary }) {
    const client = open();
    const messages = Array.from({ length: 10 }, (_, at) => ({ groupId: group(`many-${at}`), payload: { at, canary } }));
    const results = await client.sendMany(messages);
    const ids = new Set(results.map(({ messageId }) => messageId));
    expect(ids.size === 10, `${ids.size} message ids for 10 messages`);
    await client.close();
  },

  async "pauses only the group of a refused message"({ open, group, canary, sdk, world }) {
    const client = open();
    const refused = client.send(group("refused"), { at: 0, canary, padding: "x".repeat(4_000) });
    const behind = client.send(group("refused"), { at: 1, canary });
    const neighbour = client.send(group("neighbour"), { at: 0, canary });
    const error = await failureOf(refused, sdk);
    expect(sdk.isSendError(error), `it is a ${error.name}`);
    expect(error.code === "MESSAGE_TOO_LARGE", `code ${error.code}, status ${error.status}`);
    expect(error.outcome === "rejected", `outcome ${error.outcome}`);
    expectNoSecret(world, error);
    const follower = await failureOf(behind, sdk);
    expect(sdk.isGroupPausedError(follower), `the message behind it failed with ${follower.code}`);
    expectNoSecret(world, follower);
    expect((await neighbour).messageId !== "", "the neighbour was not taken");
    const paused = client.pausedGroups().map(({ groupId }) => groupId);
    expect(paused.join() === group("refused"), `paused: ${paused.join(", ")}`);
    await client.resume(group("refused"), "skip");
    await client.send(group("refused"), { at: 2, canary });
    await client.close();
  },

  async "says that a key is refused, without the key"({ open, group, canary, sdk, world }) {
    const wrong = `wrong-${world.key}`;
    const client = open({ apiKey: wrong });
    const error = await failureOf(client.send(group("forbidden"), { at: 0, canary }), sdk);
    expect(error.code === "FORBIDDEN" && error.status === 403, `code ${error.code}, status ${error.status}`);
    expect(error.outcome === "rejected" && error.attempts === 1, `${error.outcome} after ${error.attempts} attempts`);
    expectNoSecret(world, error);
  },

  async "gives up a request in flight when its signal says so"({ open, group, canary, sdk, world }) {
    const client = open({ endpoint: world.stuck });
    const abort = new AbortController();
    const sending = client.send(group("aborted"), { at: 0, canary }, { signal: abort.signal });
    await arrival(world, group("aborted"));
    abort.abort();
    const error = await failureOf(sending, sdk);
    expect(sdk.isSendError(error) && error.code === "ABORTED", `${error.name} ${error.code}`);
    expect(error.outcome === "unknown", `outcome ${error.outcome}`);
    expectNoSecret(world, error);
    const follower = await failureOf(client.send(group("aborted"), { at: 1, canary }), sdk);
    expect(sdk.isGroupPausedError(follower), `the next message failed with ${follower.code}`);
  },

  async "waits as long as Retry-After asks"({ open, group, canary, world }) {
    // Two requests at once with a key of one a second. How long the client waited, the server knows.
    const client = open({ apiKey: world.slowKey, maxBatchSize: 1 });
    const groups = ["throttled-a", "throttled-b"].map(group);
    await Promise.all(groups.map((id) => client.send(id, { at: 0, canary })));
    await client.close();
  },

  async "follows no redirect"({ open, group, canary, sdk, world }) {
    const client = open({ endpoint: world.moved });
    const error = await failureOf(client.send(group("moved"), { at: 0, canary }), sdk);
    expect(error.code === "REDIRECTED", `code ${error.code}`);
    expect(error.outcome === "rejected" && error.attempts === 1, `${error.outcome} after ${error.attempts} attempts`);
    expectNoSecret(world, error);
  },

  async "gives back from close() what was not sent"({ open, group, canary, sdk, world }) {
    const client = open({ endpoint: world.stuck });
    const sends = [0, 1, 2].map((at) => client.send(group("closed"), { at, canary }));
    await arrival(world, group("closed"));
    const unsent = await client.close({ timeout: 50 });
    const seen = unsent.map(({ groupId, payload, outcome }) => `${groupId} ${payload.at} ${outcome}`);
    const expected = ["unknown", "unsent", "unsent"].map((outcome, at) => `${group("closed")} ${at} ${outcome}`);
    expect(seen.join() === expected.join(), `close() returned ${seen.join(", ")}`);
    for (const send of sends) await failureOf(send, sdk);
    const late = await failureOf(client.send(group("closed"), { at: 3, canary }), sdk);
    expect(late.code === "CLOSED", `a send() after it failed with ${late.code}`);
  },

  async "is disposed of where the runtime has Symbol.asyncDispose"({ open, group, canary }) {
    const client = open();
    if (Symbol.asyncDispose === undefined) {
      expect(!("undefined" in client), `the client has a method named "undefined"`);
      return;
    }
    const sending = client.send(group("disposed"), { at: 0, canary });
    await client[Symbol.asyncDispose]();
    expect((await sending).messageId !== "", "it was not sent");
  },
};

/**
 * Runs every check, one after the other.
 *
 * @param sdk what the package exports
 * @param {World} world
 * @returns {Promise<{ userAgent: string, checks: { name: string, problem?: string }[] }>}
 */
export async function runScenario(sdk, world) {
  const unhandled = [];
  // Node and Bun end the process instead, which fails as well.
  globalThis.addEventListener?.("unhandledrejection", ({ reason }) => unhandled.push(reason));
  const given = { endpoint: world.endpoint, apiKey: world.key, queue: "queue-1", retryBudgetMilliseconds: 6_000 };
  const tools = {
    sdk,
    world,
    canary: world.canary,
    group: (name) => `${world.run}-${name}`,
    open: (options) => sdk.createFifoClient({ ...given, ...options }),
  };
  const done = [];
  for (const [name, check] of Object.entries(checks)) done.push(await verdictOf(name, () => check(tools)));
  done.push(
    await verdictOf("leaves no rejection unhandled", async () => {
      await new Promise((resolve) => {
        setTimeout(resolve, 0);
      });
      expect(unhandled.length === 0, unhandled.map(String).join(", "));
    }),
  );
  return { userAgent: navigator.userAgent, checks: done };
}

/**
 * Sends from a page whose origin the gateway does not allow.
 *
 * @param sdk what the package exports
 * @param {World} world
 */
export async function runForeign(sdk, world) {
  const check = await verdictOf("fails without an answer from an origin that is not allowed", async () => {
    const client = sdk.createFifoClient({
      endpoint: world.endpoint,
      apiKey: world.key,
      queue: "queue-1",
      retryBudgetMilliseconds: 1_000,
    });
    const error = await failureOf(client.send(`${world.run}-foreign`, { at: 0, canary: world.canary }), sdk);
    expect(error.code === "NETWORK_ERROR", `code ${error.code}, status ${error.status}`);
    // Whether a request left, a browser does not tell.
    expect(error.outcome === "unknown", `outcome ${error.outcome}`);
    expectNoSecret(world, error);
  });
  return { userAgent: navigator.userAgent, checks: [check] };
}

async function verdictOf(name, check) {
  let timer;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Unmet(`it took more than ${LONGEST_CHECK / 1_000} s`)), LONGEST_CHECK);
  });
  try {
    await Promise.race([check(), tooLong]);
    return { name };
  } catch (error) {
    return { name, problem: error instanceof Unmet ? error.message : `threw ${error?.stack ?? error}` };
  } finally {
    clearTimeout(timer);
  }
}
