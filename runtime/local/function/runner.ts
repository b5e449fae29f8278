import { FunctionProcess, type ProcessOptions } from "./process.ts";

/**
 * Runs a function: as many processes as there are invocations at the same time, each kept warm for the next.
 *
 * Above its reserved concurrency, an invocation waits for its turn. Lambda refuses it, and its event sources ask again for as long
 * as the messages are theirs (Lambda Developer Guide, "Handling errors for an SQS event source"): a batch comes late in both.
 */
export class FunctionRunner {
  readonly #options: ProcessOptions;
  readonly #idle: FunctionProcess[] = [];
  readonly #all = new Set<FunctionProcess>();
  /** Those that wait for their turn, the first one first. */
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  /** The function's name. */
  get name(): string {
    return this.#options.package.name;
  }

  /** The function's ARN, as event sources name it. */
  get arn(): string {
    return this.#options.package.arn;
  }

  /** @throws InvocationError `timed-out`, `crashed` or `threw` */
  async invoke(event: unknown): Promise<unknown> {
    await this.#turn();
    try {
      if (this.#closed) throw new Error(`${this.name} was closed`);
      return await this.#invokeNow(event);
    } finally {
      const next = this.#waiting.shift();
      // Its turn passes on, so that nobody who comes now goes before.
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #turn(): Promise<void> {
    const { reservedConcurrency = Number.POSITIVE_INFINITY } = this.#options.package;
    if (this.#running < reservedConcurrency) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #invokeNow(event: unknown): Promise<unknown> {
    // The last one used first: the others stay cold, as in Lambda.
    const execution = this.#takeIdle() ?? this.#start();
    try {
      return await execution.invoke(event);
    } finally {
      if (execution.usable) this.#idle.push(execution);
      else this.#all.delete(execution);
    }
  }

  #takeIdle(): FunctionProcess | undefined {
    for (let execution = this.#idle.pop(); execution !== undefined; execution = this.#idle.pop()) {
      if (execution.usable) return execution;
      this.#all.delete(execution);
    }
    return undefined;
  }

  #start(): FunctionProcess {
    const execution = new FunctionProcess(this.#options);
    this.#all.add(execution);
    return execution;
  }

  /** Ends every process, whatever it is doing: what it had not settled stays in its queue. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((execution) => execution.kill()));
  }
}

/** The variables that Lambda sets for a Node function, in local mode's values. */
export function platformEnvironment(options: {
  readonly functionName: string;
  readonly memoryMegabytes: number;
  readonly region: string;
  readonly endpoints: { readonly sqs: string; readonly dynamodb: string };
}): Record<string, string> {
  return {
    AWS_REGION: options.region,
    AWS_DEFAULT_REGION: options.region,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    AWS_LAMBDA_FUNCTION_NAME: options.functionName,
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(options.memoryMegabytes),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${options.functionName}`,
    AWS_ENDPOINT_URL_SQS: options.endpoints.sqs,
    AWS_ENDPOINT_URL_DYNAMODB: options.endpoints.dynamodb,
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
  };
}
