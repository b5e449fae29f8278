import type { DeploymentInput } from "../../stacks/config.ts";

/** What plans are made of: the two deployments that `main.ts` has as examples, with two producers, a key to retire and a zone of their own. */
export const DEPLOYMENTS = {
  dev: {
    name: "dev",
    region: "ap-northeast-2",
    stage: "kimalarm",
    backend: { url: "https://backend.kimalarm.example/" },
    // Values in the middle, so that a plan can go both ways.
    queues: [
      {
        name: "queue-1",
        retentionSeconds: 864_000,
        visibilityTimeoutSeconds: 720,
        maxMessageBytes: 131_072,
        maxReceiveCount: 980,
      },
      { name: "queue-2", failurePolicy: "park" },
    ],
    producers: [
      {
        name: "kimalarm",
        keys: ["b", "a"],
        rateLimit: 500,
        burstLimit: 1_000,
        quota: { limit: 5_000_000, period: "MONTH" },
      },
      { name: "devices" },
    ],
    gateway: { throttle: { rateLimit: 5_000, burstLimit: 2_500 } },
    protect: false,
  },
  prod: {
    name: "prod",
    region: "ap-northeast-2",
    stage: "kimalarm",
    backend: "response-server",
    responseServer: { zones: ["a", "c"] },
    queues: [{ name: "queue-1" }, { name: "queue-2", failurePolicy: "park" }],
    producers: [{ name: "kimalarm", keys: ["b", "a"] }, { name: "devices" }],
    gateway: {
      domain: { name: "fifo.kimalarm.example", zone: "kimalarm.example", createZone: true },
      accountRole: "own",
      minimumCompressionBytes: 1_024,
      firewall: { requestsPerAddress: 100_000 },
    },
    consumer: { reservedConcurrency: 25 },
    encryption: "customer-managed",
    tracing: true,
    operations: { emails: ["ops@kimalarm.example"] },
  },
} satisfies Readonly<Record<string, DeploymentInput>>;

export type DeploymentName = keyof typeof DEPLOYMENTS;

/** The parts of a deployment that are stacks, in the order in which they are applied. */
export const PARTS = ["messaging", "delivery", "gateway", "operations"] as const;
export type Part = (typeof PARTS)[number];
