import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { FunctionPackage } from "./package.ts";
import { type FromFunction, fromFunctionSchema, type ToFunction } from "./protocol.ts";

/** Why an invocation gave no result. */
export type InvocationErrorCode = "timed-out" | "crashed" | "threw";

/** An invocation gave no result. */
export class InvocationError extends Error {
  override readonly name = "InvocationError";
  readonly code: InvocationErrorCode;

  constructor(code: InvocationErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a function's process is given besides the emitted variables. */
export interface ProcessOptions {
  readonly package: FunctionPackage;
  /** What Lambda itself sets: region, credentials, endpoints. */
  readonly platform: Readonly<Record<string, string>>;
  /** Takes each line of the function's output, without its newline. */
  readonly log: (line: string) => void;
  /** How long a process may take to load the handler. @default 10000, Lambda's limit of the init phase */
  readonly loadMilliseconds?: number | undefined;
}

/** Lambda Developer Guide, "Lambda execution environment lifecycle": the init phase is limited to 10 seconds. */
const LOAD_MILLISECONDS = 10_000;

/** One execution environment: a process that answers one invocation at a time and is kept for the next. */
export class FunctionProcess {
  readonly #options: ProcessOptions;
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;
  readonly #closed: Promise<void>;
  #answer: ((message: FromFunction | undefined) => void) | undefined;
  #usable = true;
  #loadTimedOut = false;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { package: code } = options;
    this.#child = spawn(
      process.execPath,
      // A Lambda's heap is bounded by its memory; what is left is for buffers and code.
      [
        `--max-old-space-size=${Math.floor(code.memoryMegabytes * 0.9)}`,
        "--disable-warning=ExperimentalWarning",
        join(import.meta.dirname, "bootstrap.ts"),
        code.file,
        code.exportName,
      ],
      {
        cwd: dirname(code.file),
        env: { ...options.platform, ...code.environment },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        serialization: "json",
      },
    );
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", options.log);
    }
    const timer = setTimeout(() => {
      this.#loadTimedOut = true;
      this.#end();
    }, this.#loadMilliseconds);
    this.#ready = new Promise((resolve) => {
      this.#answer = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#child.on("message", (message) => {
      const said = fromFunctionSchema.safeParse(message);
      if (said.success) this.#answer?.(said.data);
      // The channel is the function's too, and what comes over it is anything.
      else this.#end();
    });
    const gone = () => {
      this.#usable = false;
      this.#answer?.(undefined);
    };
    this.#child.once("exit", gone);
    // Closed: its last lines were read, too.
    this.#closed = new Promise((resolve) => {
      this.#child.once("close", () => resolve());
      // Also of a message that could not be sent: more than once, then.
      this.#child.on("error", () => {
        gone();
        if (this.#child.pid === undefined) resolve();
        else this.#end();
      });
    });
  }

  /** Whether it can take another invocation. */
  get usable(): boolean {
    return this.#usable;
  }

  get #loadMilliseconds(): number {
    return this.#options.loadMilliseconds ?? LOAD_MILLISECONDS;
  }

  /** From here on it takes nothing more, though its end comes later. */
  #end(): void {
    this.#usable = false;
    this.#child.kill("SIGKILL");
  }

  /**
   * Runs the handler once. At the function's timeout the process is killed, in whatever it is doing.
   *
   * @throws InvocationError `timed-out`, `crashed` or `threw`
   */
  async invoke(event: unknown): Promise<unknown> {
    const { package: code } = this.#options;
    await this.#ready;
    if (this.#loadTimedOut) {
      throw new InvocationError("timed-out", `${code.name} took longer than ${this.#loadMilliseconds} ms to load`);
    }
    if (!this.#usable) throw new InvocationError("crashed", `${code.name} ended before it was invoked`);
    let timedOut = false;
    const message = await new Promise<FromFunction | undefined>((resolve) => {
      const timer = setTimeout(() => {
        timedOut = true;
        this.#end();
      }, code.timeoutSeconds * 1_000);
      this.#answer = (answer) => {
        clearTimeout(timer);
        this.#answer = undefined;
        resolve(answer);
      };
      const invocation: ToFunction = {
        event,
        requestId: randomUUID(),
        deadline: Date.now() + code.timeoutSeconds * 1_000,
        functionName: code.name,
        functionArn: code.arn,
        memoryMegabytes: code.memoryMegabytes,
      };
      // A channel that closed meanwhile shows as the process's exit.
      this.#child.send(invocation, () => undefined);
    });
    if (timedOut) throw new InvocationError("timed-out", `${code.name} took longer than ${code.timeoutSeconds} s`);
    if (message?.kind === "result") return message.result;
    if (message?.kind === "error") throw new InvocationError("threw", `${code.name} threw ${message.name}`);
    // Of a process that is still there, this would be no answer to its invocation.
    this.#end();
    throw new InvocationError("crashed", `${code.name} ended in the middle of an invocation`);
  }

  /** Ends the process now; resolves when it has ended and its output was read. */
  async kill(): Promise<void> {
    this.#end();
    await this.#closed;
  }
}
