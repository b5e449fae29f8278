import { join } from "node:path";
import { createSoakBackend, type SoakBackend } from "./backend-process.ts";
import { type ChaosProxy, serveChaos } from "./chaos-proxy.ts";
import { backendExchange, clientExchange } from "./faults.ts";
import { type Controls, createOperator, type Operator } from "./operator.ts";
import { createPathProcess, type PathProcess } from "./path-process.ts";
import { QUEUES } from "./queues.ts";
import { createRandom } from "./random.ts";
import { synthesiseSoak } from "./synthesise.ts";

/** Writes down what happens, for whoever looks for a violation's cause. */
export type Note = (what: string, more?: object) => void;

/** Everything between the producers and the backend's file. */
export interface World extends AsyncDisposable {
  readonly path: PathProcess;
  readonly backend: SoakBackend;
  readonly toGateway: ChaosProxy;
  readonly toBackend: ChaosProxy;
  /** What a client of it takes: the gateway, behind its proxy. */
  readonly endpoint: string;
  readonly key: string;
  /** Of the path that runs now, or ran last. */
  readonly operator: Operator;
  readonly controls: Readonly<Controls>;
  /** Messages in all queues, as last measured. */
  readonly backlog: number;
  /** @throws the SDK's errors, as while the path is down */
  measure(): Promise<number>;
  /** SIGKILL for the whole path, and another start in the same data folder. */
  restartPath(): Promise<void>;
  /** From here on nothing goes wrong by itself. */
  calm(): void;
}

/**
 * Starts all of it, with faults from the beginning when there are any.
 *
 * @param options.onEnd told of a process that ended by itself
 * @throws Error when something does not start; what was started is killed then
 */
export async function openWorld(options: {
  readonly data: string;
  readonly deliveries: string;
  readonly seed: number;
  readonly faults: boolean;
  readonly note: Note;
  readonly onEnd: (what: string) => void;
}): Promise<World> {
  const { data, seed, note, onEnd } = options;
  await using stack = new AsyncDisposableStack();
  const controls: Controls = { replay: 0, discard: 0, edit: 0 };
  let { faults } = options;
  let backlog = 0;
  /** Kills it when it is no longer wanted, and when this process ends without asking. */
  const adopt = (child: { kill(): Promise<void>; killNow(): void }) => {
    const killNow = () => child.killNow();
    process.on("exit", killNow);
    stack.defer(async () => {
      await child.kill();
      process.off("exit", killNow);
    });
  };

  const synthesised = join(data, "cdktf.out");
  await synthesiseSoak(synthesised);
  const backend = createSoakBackend({ file: options.deliveries, seed, onEnd });
  adopt(backend);
  await backend.start();
  const random = { client: createRandom(seed, "client-proxy"), backend: createRandom(seed, "backend-proxy") };
  const toBackend = await serveChaos({
    port: () => backend.port,
    script: () => (faults ? backendExchange(random.backend) : { kind: "pass" }),
  });
  stack.defer(() => toBackend.close());
  const path = createPathProcess({ data, synthesised, backendUrl: `${toBackend.url}/`, seed, onEnd });
  adopt(path);
  const first = await path.start(faults);
  const operatorOf = ({ sqs }: { readonly sqs: string }) => createOperator({ data, sqs, controls, note });
  let operator = await operatorOf(first);
  stack.defer(() => operator.close());
  const toGateway = await serveChaos({
    port: () => (path.serving === undefined ? undefined : Number(new URL(path.serving.endpoint).port)),
    script: () => (faults ? clientExchange(random.client) : { kind: "pass" }),
  });
  stack.defer(() => toGateway.close());

  backend.setWeather(faults ? "faults" : "calm");
  const opened = stack.move();
  return {
    path,
    backend,
    toGateway,
    toBackend,
    endpoint: `${toGateway.url}${new URL(first.endpoint).pathname}`,
    key: first.key,
    get operator() {
      return operator;
    },
    controls,
    get backlog() {
      return backlog;
    },
    async measure() {
      const depths = await Promise.all(QUEUES.map(({ name }) => operator.depth(name)));
      backlog = depths.reduce((sum, depth) => sum + depth, 0);
      return backlog;
    },
    async restartPath() {
      await path.kill();
      const serving = await path.start(faults);
      operator.close();
      operator = await operatorOf(serving);
      note("serving");
    },
    calm() {
      faults = false;
      backend.setWeather("calm");
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
