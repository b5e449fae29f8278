import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { App } from "cdktf";
import { startLocal } from "../runtime/local/start-local.ts";
import { deploy } from "../stacks/deploy.ts";

test("a key that is switched off is none that local mode sends with or shows", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "fifo-keys-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const synthesised = join(folder, "cdktf.out");
  const app = new App({ outdir: synthesised });
  deploy(app, {
    name: "rotated",
    region: "ap-northeast-2",
    stage: "kimalarm",
    backend: { url: "https://backend.example/" },
    queues: [{ name: "queue-1" }],
    producers: [{ name: "alarms", keys: ["b", { generation: "a", enabled: false }] }],
  });
  app.synth();
  const local = await startLocal({ data: join(folder, "data"), synthesised, deployment: "rotated" });
  t.after(() => local.close());
  assert.deepEqual(
    local.keys.map(({ name }) => name),
    ["rotated-alarms-b"],
  );
});
