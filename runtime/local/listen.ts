import type { Server } from "node:http";

/**
 * Lets a server listen on this machine alone.
 *
 * @param port 0 takes a free one
 * @returns where it listens, e.g. `http://127.0.0.1:41235`
 * @throws the system's error, `EADDRINUSE` when the port is taken
 */
export async function listen(server: Server, port = 0): Promise<string> {
  // Longer than any client here keeps an idle connection: a server that closes first makes the next request fail.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : port}`;
}

/** Closes a server and what is connected to it. */
export async function stopListening(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
}
