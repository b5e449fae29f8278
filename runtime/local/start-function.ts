import { join } from "node:path";
import { z } from "zod";
import { unpackFunction } from "./function/package.ts";
import { FunctionRunner, platformEnvironment } from "./function/runner.ts";
import { openLogFile } from "./log-file.ts";
import { parseSettled, type SettledLine } from "./settled-line.ts";
import { type EmittedDeployment, stackFolder } from "./terraform/read-deployment.ts";

/** A queue of the deployment, under its name in the configuration and in SQS. */
export interface LocalQueue {
  /** As in the route, e.g. `queue-1`. */
  readonly name: string;
  /** As in SQS, e.g. `dev-queue-1.fifo`. */
  readonly physicalName: string;
  readonly visibilityTimeoutSeconds: number;
}

/** The deployment's consumer, ready to be invoked. */
export interface LocalFunction {
  readonly runner: FunctionRunner;
  /** The queues that its environment names. */
  readonly queues: readonly LocalQueue[];
  /** Calls back for each `message.settled` of its log. @returns ends that */
  onSettled(listener: (line: SettledLine) => void): () => void;
  /** Resolves when what it has logged so far can be read from `consumer.jsonl`. */
  flushLog(): Promise<void>;
  close(): Promise<void>;
}

const queuesSchema = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue("it is not JSON");
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.object({ name: z.string(), visibilityTimeoutSeconds: z.number() })));

/**
 * Starts the one function of a deployment, with its log in `<data>/logs/consumer.jsonl`.
 *
 * @param options.folder the synthesised folder
 * @param options.say told when the log cannot be written
 * @throws Error that names the resource and what is wrong with it
 */
export async function startFunction(
  deployment: EmittedDeployment,
  options: {
    readonly data: string;
    readonly folder: string;
    readonly endpoints: { readonly sqs: string; readonly dynamodb: string };
    readonly say: (line: string) => void;
  },
): Promise<LocalFunction> {
  const functions = deployment.resources.filter(({ type }) => type === "aws_lambda_function");
  const [resource, another] = functions;
  if (resource === undefined || another !== undefined) {
    throw new Error(`local mode runs one function, the consumer; the stacks have ${functions.length}`);
  }
  const code = await unpackFunction(
    resource,
    stackFolder(options.folder, resource.stack),
    join(options.data, "function"),
  );
  const queues = readQueues(resource.address, code.environment);
  const log = await openLogFile(join(options.data, "logs", "consumer.jsonl"), options.say);
  const listeners = new Set<(line: SettledLine) => void>();
  const runner = new FunctionRunner({
    package: code,
    platform: platformEnvironment({
      functionName: code.name,
      memoryMegabytes: code.memoryMegabytes,
      region: deployment.region,
      endpoints: options.endpoints,
    }),
    log(line) {
      log.write(line);
      if (listeners.size === 0 || !line.includes('"message.settled"')) return;
      const settled = parseSettled(line);
      if (settled !== undefined) for (const listener of listeners) listener(settled);
    },
  });
  return {
    runner,
    queues,
    onSettled(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    flushLog: () => log.flush(),
    async close() {
      await runner.close();
      await log.close();
    },
  };
}

function readQueues(address: string, { QUEUES }: Readonly<Record<string, string>>): LocalQueue[] {
  if (QUEUES === undefined) throw new Error(`${address}: its environment has no QUEUES, which name what it consumes`);
  const queues = queuesSchema.safeParse(QUEUES);
  if (!queues.success) throw new Error(`${address}: QUEUES in its environment: ${z.prettifyError(queues.error)}`);
  return Object.entries(queues.data).map(([arn, { name, visibilityTimeoutSeconds }]) => ({
    name,
    physicalName: arn.slice(arn.lastIndexOf(":") + 1),
    visibilityTimeoutSeconds,
  }));
}
