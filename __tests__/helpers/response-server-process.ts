import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The response server's own entry file in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly logged: readonly Readonly<Record<string, unknown>>[];
  /** @returns the exit code, or the signal's name */
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<number | string | null>;
}

const entry = join(import.meta.dirname, "..", "..", "runtime", "response-server", "main.ts");

/**
 * Starts it on a free port and waits until it listens.
 *
 * @param file the bundle of it, for example
 */
export async function startServerProcess(
  environment: Readonly<Record<string, string>>,
  file = entry,
): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [file], {
    env: { PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no stdout");
  const logged: Record<string, unknown>[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`ended with ${code} before it listened`)));
    createInterface({ input: child.stdout ?? process.stdin }).on("line", (line) => {
      const entryLine = JSON.parse(line) as Record<string, unknown>;
      logged.push(entryLine);
      if (entryLine["event"] === "server.listening") resolve(String(entryLine["url"]));
    });
  });
  const exit = once(child, "exit");
  const kill: ServerProcess["kill"] = async (signal) => {
    child.kill(signal);
    const [code, name] = await exit;
    return code ?? name;
  };
  return {
    url,
    logged,
    kill,
    async [Symbol.asyncDispose]() {
      await kill("SIGKILL");
    },
  };
}

/** Runs a test with a folder of its own for the server's logs. */
export async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "response-server-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Posts a body under a key. @returns the answer's text */
export async function post(url: string, key: string, body: string): Promise<string> {
  return (await fetch(url, { method: "POST", body, headers: { "idempotency-key": key } })).text();
}
