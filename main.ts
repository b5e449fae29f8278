import { join } from "node:path";
import { App } from "cdktf";
import { deploy } from "./stacks/deploy.ts";

/** The deployments of this project. This is the file to edit. */
const app = new App({ outdir: process.env.CDKTF_OUTDIR ?? join(import.meta.dirname, "cdktf.out") });

deploy(app, {
  name: "dev",
  region: "ap-northeast-2",
  stage: "kimalarm",
  backend: { url: "https://backend.kimalarm.example/" },
  queues: [{ name: "queue-1" }, { name: "queue-2", failurePolicy: "park" }],
  producers: [{ name: "kimalarm" }],
  protect: false,
});

app.synth();
