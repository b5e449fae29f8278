import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { FunctionPackage } from "./package.ts";
import type { FromFunction, ToFunction } from "./protocol.ts";

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
}

/** One execution environment: a process that answers one invocation at a time and is kept for the next. */
export class FunctionProcess {
  readonly #options: ProcessOptions;
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;
  readonly #exited: Promise<void>;
  #answer: ((message: FromFunction | undefined) => void) | undefined;
  #alive = true;

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
    this.#ready = new Promise((resolve) => {
      this.#answer = () => resolve();
    });
    this.#child.on("message", (message: FromFunction) => this.#answer?.(message));
    this.#exited = new Promise((resolve) => {
      const gone = () => {
        this.#alive = false;
        this.#answer?.(undefined);
        resolve();
      };
      this.#child.once("exit", gone);
      this.#child.once("error", gone);
    });
  }

  /** Whether it can take another invocation. */
  get alive(): boolean {
    return this.#alive;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Runs the handler once. At the function's timeout the process is killed, in whatever it is doing.
   *
   * @throws InvocationError `timed-out`, `crashed` or `threw`
   */
  async invoke(event: unknown): Promise<unknown> {
    const { package: code } = this.#options;
    await this.#ready;
    if (!this.#alive) throw new InvocationError("crashed", `${code.name} ended before it was invoked`);
    let timedOut = false;
    const message = await new Promise<FromFunction | undefined>((resolve) => {
      const timer = setTimeout(() => {
        timedOut = true;
        this.#child.kill("SIGKILL");
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
    if (message?.kind === "result") return message.result;
    if (message?.kind === "error") throw new InvocationError("threw", `${code.name} threw ${message.name}`);
    if (timedOut) throw new InvocationError("timed-out", `${code.name} took longer than ${code.timeoutSeconds} s`);
    throw new InvocationError("crashed", `${code.name} ended in the middle of an invocation`);
  }

  /** Ends the process now. */
  async kill(): Promise<void> {
    if (!this.#alive) return;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
