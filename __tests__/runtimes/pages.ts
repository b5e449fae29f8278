import { createServer } from "node:http";
import { listen, stopListening } from "../../runtime/local/listen.ts";

/** Serves a page that loads one script, from an origin of its own. */
export async function servePage(script: () => string): Promise<{ origin: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const [type, text] =
      request.url === "/page.js"
        ? ["text/javascript", script()]
        : ["text/html", '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'];
    response.writeHead(200, { "content-type": `${type}; charset=utf-8` });
    response.end(text);
  });
  return { origin: await listen(server), close: () => stopListening(server) };
}
