/**
 * What runs in a function's process: loads the handler and answers invocations that come over IPC, one at a time, as the
 * runtime inside a Lambda does. Started by `process.ts`, with the handler's file and export as arguments.
 */
import { enableCompileCache } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { FromFunction, ToFunction } from "./protocol.ts";

const [, , file, exportName] = process.argv;
if (file === undefined || exportName === undefined) throw new Error("bootstrap: <file> <export> are missing");
// The channel closes when local mode ends, however it ends: no process of a function outlives it.
process.on("disconnect", () => process.exit(0));

// Ctrl-C and a closed terminal reach every process of the terminal; who ends this one is local mode, in its own order.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);

// The next process of this function then starts in half the time: so what has to be compiled is imported from here on.
enableCompileCache(join(dirname(file), ".compile-cache"));
const { toFunctionSchema } = await import("./protocol.ts");

const exported: unknown = Reflect.get(await import(pathToFileURL(file).href), exportName);
if (typeof exported !== "function") throw new Error(`${file} exports no function ${exportName}`);

process.on("message", (message) => {
  void answer(toFunctionSchema.parse(message));
});
send({ kind: "ready" });

async function answer({ event, requestId, deadline, functionName, functionArn, memoryMegabytes }: ToFunction) {
  const context = {
    awsRequestId: requestId,
    functionName,
    functionVersion: "$LATEST",
    invokedFunctionArn: functionArn,
    memoryLimitInMB: String(memoryMegabytes),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
  try {
    const result: unknown = await Reflect.apply(exported as () => unknown, undefined, [event, context]);
    send({ kind: "result", result: result === undefined ? null : result });
  } catch (error) {
    send({ kind: "error", name: error instanceof Error ? error.name : "unknown" });
  }
}

function send(message: FromFunction): void {
  process.send?.(message);
}
