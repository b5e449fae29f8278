/** The response server as a process of local mode, which ends it after the consumer, or with itself, however that ends. */

// Ctrl-C and a closed terminal reach every process of the terminal: messages under way still need their answers.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
process.on("disconnect", () => process.exit(0));
// The listener would keep the process alive after an orderly close.
process.channel?.unref();

const { serve } = await import("../response-server/serve.ts");
await serve(["SIGTERM"]);
