import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { App } from "cdktf";
import { createQueues } from "../../runtime/local/create-queues.ts";
import { startQueueServer } from "../../runtime/local/queue/server.ts";
import type { EmittedResource } from "../../runtime/local/terraform/model.ts";
import { deploy } from "../../stacks/deploy.ts";
import { REGION, resourcesIn } from "./gateway-resources.ts";
import { folder, gatewayBefore, type RunningGateway } from "./local-gateway.ts";

const synthesised = new Map<string, string>();
process.once("exit", () => {
  for (const outdir of synthesised.values()) rmSync(outdir, { recursive: true, force: true });
});

/** What is emitted, in a folder, for these origins; synthesised once in a test file's process. */
function emittedFolder(corsOrigins: readonly string[]): string {
  const name = corsOrigins.join(" ");
  const known = synthesised.get(name);
  if (known !== undefined) return known;
  const outdir = mkdtempSync(join(tmpdir(), "browser-synth-"));
  synthesised.set(name, outdir);
  const app = new App({ outdir });
  deploy(app, {
    name: "dev",
    region: REGION,
    stage: "kimalarm",
    backend: { url: "https://backend.kimalarm.example/" },
    queues: [{ name: "queue-1" }, { name: "queue-2" }],
    producers: [{ name: "kimalarm" }],
    gateway: { corsOrigins: [...corsOrigins] },
  });
  app.synth();
  return outdir;
}

/** The emitted resources of a deployment with queue-1 and queue-2 that pages of these origins may call. */
export async function resourcesForBrowsers(
  corsOrigins: readonly string[],
  sqs?: string,
): Promise<readonly EmittedResource[]> {
  return resourcesIn(emittedFolder(corsOrigins), sqs);
}

/**
 * Starts the gateway of that deployment with real queues behind it.
 *
 * @param adjust changes what was emitted, a usage plan's limits for example
 * @example const { url, key } = await gatewayForBrowsers(t, ["http://localhost:5173"]);
 */
export async function gatewayForBrowsers(
  t: TestContext,
  corsOrigins: readonly string[],
  adjust: (emitted: readonly EmittedResource[]) => readonly EmittedResource[] = (emitted) => emitted,
): Promise<RunningGateway> {
  const server = await startQueueServer({ file: join(folder(t), "queues.sqlite"), region: REGION });
  t.after(() => server.close());
  const resources = adjust(await resourcesForBrowsers(corsOrigins, server.url));
  createQueues(server.engine, resources);
  return gatewayBefore(t, { sqs: server.url, resources });
}
