import { createResponseServer } from "./app.ts";
import { readServerEnvironment } from "./environment.ts";

/**
 * Starts the example backend from the process's environment, with its log on stdout, one JSON object a line.
 *
 * @param endOn what ends it: what has begun is answered first
 * @throws ServerConfigurationError that names the variable; the file system's and the network's errors
 * @example await serve(["SIGTERM", "SIGINT"]);
 */
export async function serve(endOn: readonly NodeJS.Signals[]): Promise<void> {
  const server = await createResponseServer({
    ...readServerEnvironment(process.env),
    log: (event, fields) => {
      process.stdout.write(`${JSON.stringify({ level: "info", event, time: new Date().toISOString(), ...fields })}\n`);
    },
  });
  for (const signal of endOn) process.once(signal, () => void server.close());
}
