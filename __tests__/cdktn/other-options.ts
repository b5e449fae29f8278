/** Two deployments with what `main.ts` leaves out, so that no construct goes uncompared. */
import { App } from "cdktf";
import { z } from "zod";
import { deploy } from "../../stacks/deploy.ts";

const app = new App({ outdir: z.string().parse(process.env["CDKTF_OUTDIR"]) });

deploy(app, {
  name: "public",
  region: "us-east-1",
  stage: "v1",
  aws: { assumeRole: { arn: "arn:aws:iam::123456789012:role/deploy", externalId: "fifo-gateway" } },
  terraformCloud: { organization: "kimalarm", hostname: "terraform.kimalarm.example", project: "alarms" },
  tags: { Team: "alarms" },
  backend: { url: "https://backend.kimalarm.example/alarms" },
  queues: [
    {
      name: "alarms",
      visibilityTimeoutSeconds: 900,
      retentionSeconds: 345_600,
      deadLetterRetentionSeconds: 604_800,
      maxMessageBytes: 65_536,
      maxAttempts: 3,
      maxReceiveCount: 980,
      batchSize: 5,
      maximumConcurrency: 2,
    },
  ],
  producers: [
    {
      name: "app",
      keys: ["b", { generation: "a", enabled: false }],
      rateLimit: 10,
      burstLimit: 20,
      quota: { limit: 1_000, period: "DAY" },
    },
    { name: "devices" },
  ],
  consumer: { timeoutSeconds: 120, memoryMegabytes: 1_024, backendTimeoutMilliseconds: 5_000, logRetentionDays: 7 },
  gateway: {
    corsOrigins: ["https://app.kimalarm.example", "http://localhost:5173"],
    domain: { name: "fifo.kimalarm.example", zone: "kimalarm.example", createZone: true },
    accountRole: "existing",
    logRetentionDays: 90,
    throttle: { rateLimit: 2_000, burstLimit: 4_000 },
    firewall: { requestsPerAddress: 1_000, windowSeconds: 60 },
    allowedSources: ["203.0.113.0/24", "2001:db8::/32"],
  },
  tracing: true,
  encryption: "customer-managed",
  operations: { oldestMessageSeconds: 600, latencyMilliseconds: 500 },
});

deploy(app, {
  name: "private",
  region: "eu-central-1",
  stage: "v1",
  backend: "response-server",
  responseServer: {
    instanceType: "c7g.medium",
    diskGibibytes: 20,
    timeZone: "Europe/Berlin",
    hostName: "answers",
    network: "172.16.4.0/22",
    zones: ["b", "c"],
  },
  queues: [{ name: "strict", failurePolicy: "park" }],
  producers: [{ name: "app" }],
  gateway: { corsOrigins: ["*"], minimumCompressionBytes: 0 },
  operations: { emails: ["a@kimalarm.example", "b@kimalarm.example"] },
});

app.synth();
