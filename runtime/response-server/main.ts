import { createResponseServer } from "./app.ts";
import { readServerEnvironment } from "./environment.ts";

const server = await createResponseServer({
  ...readServerEnvironment(process.env),
  log: (event, fields) => {
    process.stdout.write(`${JSON.stringify({ level: "info", event, time: new Date().toISOString(), ...fields })}\n`);
  },
});
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void server.close());
