/** The response server as a process of local mode: it ends when local mode does, however that ends. */
process.on("disconnect", () => process.exit(0));
// The listener would keep the process alive after an orderly close.
process.channel?.unref();
await import("../response-server/main.ts");
