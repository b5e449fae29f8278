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

deploy(app, {
  name: "prod",
  region: "ap-northeast-2",
  stage: "kimalarm",
  aws: { accountIds: ["123456789012"] },
  terraformCloud: { organization: "kimalarm" },
  backend: "response-server",
  responseServer: { zones: ["a", "c"] },
  queues: [{ name: "queue-1" }, { name: "queue-2", failurePolicy: "park" }],
  producers: [{ name: "kimalarm" }],
  gateway: {
    domain: { name: "fifo.kimalarm.example", zone: "kimalarm.example" },
    accountRole: "own",
    minimumCompressionBytes: 1_024,
    firewall: { requestsPerAddress: 100_000 },
  },
  consumer: { reservedConcurrency: 25 },
  encryption: "customer-managed",
  tracing: true,
  operations: { emails: ["ops@kimalarm.example"] },
});

app.synth();
