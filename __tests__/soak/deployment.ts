/** What the soak runs, synthesised as `main.ts` is: both failure policies, and a visibility timeout that two minutes can wait for. */
import { App } from "cdktf";
import { z } from "zod";
import { deploy } from "../../stacks/deploy.ts";
import {
  BACKEND_TIMEOUT_MILLISECONDS,
  DEPLOYMENT,
  FUNCTION_TIMEOUT_SECONDS,
  MAX_ATTEMPTS,
  QUEUES,
  VISIBILITY_SECONDS,
} from "./queues.ts";

const app = new App({ outdir: z.string().parse(process.env["CDKTF_OUTDIR"]) });
deploy(app, {
  name: DEPLOYMENT,
  region: "ap-northeast-2",
  stage: "soak",
  backend: { url: "https://backend.kimalarm.example/" },
  queues: QUEUES.map((queue) => ({
    ...queue,
    visibilityTimeoutSeconds: VISIBILITY_SECONDS,
    maxAttempts: MAX_ATTEMPTS,
    maximumConcurrency: 3,
  })),
  producers: [{ name: "soak" }],
  consumer: {
    timeoutSeconds: FUNCTION_TIMEOUT_SECONDS,
    backendTimeoutMilliseconds: BACKEND_TIMEOUT_MILLISECONDS,
  },
  protect: false,
});
app.synth();
