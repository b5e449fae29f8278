import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { OpsError, type Review, readPlans, reviewMarkdown, reviewPlans, risksFrom, SEVERITIES } from "@org/fifo-ops";

// A run task of Terraform Cloud (HCP Terraform) for the stage post-plan: fails a run whose plan has risks, before it is applied.
//
//   RUN_TASK_HMAC_KEY=... node docs/examples/run-task.ts     under Node 24; what else can be set stands at the end
//
// Terraform Cloud reaches it by https: put it behind something that ends TLS. It keeps nothing, and prints no token and no plan.
// A run has one workspace, so this sees one stack: rules that compare stacks find nothing here. plan-review.yml reviews all at once.

const THRESHOLDS = [...SEVERITIES, "none"] as const;
const LEVELS = { critical: "error", high: "error", medium: "warning", low: "info", none: "none" } as const;
const LONGEST_REQUEST = 1_048_576;
// Five tries of 30 s, for the plan and again for the result: over before Terraform Cloud's ten minutes are.
const TRIES = 5;
const PATIENCE = 30_000;

export interface RunTaskOptions {
  /** Terraform Cloud signs its requests with it. */
  readonly hmacKey: string;
  /** e.g. `https://app.terraform.io`. The URLs that are called come with a request: one of another origin is refused. */
  readonly allowedOrigins: readonly string[];
  /** A run fails at this severity, and at a worse one. */
  readonly failOn: (typeof THRESHOLDS)[number];
  /** Between two tries. @default 3,000 */
  readonly retryMilliseconds?: number;
}

/** What Terraform Cloud asks for, by its names. */
type Task = Partial<
  Record<"stage" | "workspace_name" | "access_token" | "plan_json_api_url" | "task_result_callback_url", unknown>
>;
type Result = { readonly status: "passed" | "failed"; readonly message: string; readonly review?: Review };

/** A server, not listening yet. @example createRunTask({ hmacKey, allowedOrigins, failOn: "high" }).listen(8080, "127.0.0.1") */
export function createRunTask({ hmacKey, allowedOrigins, failOn, retryMilliseconds = 3_000 }: RunTaskOptions): Server {
  if (hmacKey === "")
    throw new Error("RUN_TASK_HMAC_KEY is not set: without the run task's HMAC key, anybody could ask");
  const isTrusted = (url: unknown): url is string =>
    typeof url === "string" && URL.canParse(url) && allowedOrigins.includes(new URL(url).origin);

  return createServer(async (request, response) => {
    const answer = (status: number, text = "") => response.writeHead(status).end(text);
    try {
      const body = await readBody(request);
      if (!isSigned(body, request.headers["x-tfc-task-signature"], hmacKey)) return answer(401, "wrong signature\n");
      const task: Task = { ...JSON.parse(body.toString("utf8")) };
      // So Terraform Cloud tries the address when the task is created: there is no run to tell anything of.
      if (task.access_token === "test-token") return answer(200);
      const { task_result_callback_url: url } = task;
      if (!isTrusted(url)) return answer(400, "task_result_callback_url is on no host of RUN_TASK_HOST\n");
      // At once, since Terraform Cloud waits for the result elsewhere.
      answer(200);
      await send(url, task, await judge(task));
    } catch (error) {
      console.error(`a request failed: ${nameOf(error)}`);
      if (!response.headersSent) answer(400);
    }
  });

  async function judge(task: Task): Promise<Result> {
    try {
      if (task.stage !== "post_plan")
        throw new OpsError("INVALID_ARGUMENT", "this task belongs to the stage post-plan");
      const review = reviewPlans(readPlans([{ source: String(task.workspace_name), text: await fetchPlan(task) }]));
      const isRisky = failOn !== "none" && risksFrom(failOn, review).length > 0;
      return { status: isRisky ? "failed" : "passed", message: headline(review), review };
    } catch (error) {
      // An OpsError holds nothing of the plan. Of another error that is not sure, so its name has to do.
      const why = error instanceof OpsError ? error.message : nameOf(error);
      return { status: "failed", message: `the plan was not reviewed: ${why}` };
    }
  }

  async function fetchPlan({ plan_json_api_url: url, access_token: token }: Task): Promise<string> {
    if (!isTrusted(url)) throw new OpsError("PLAN_UNREADABLE", "plan_json_api_url is on no host of RUN_TASK_HOST");
    const headers = { authorization: `Bearer ${token}` };
    let problem = "";
    for (let tries = 1; tries <= TRIES; tries += 1) {
      // It redirects to a store on another host. fetch sends no Authorization there (Fetch standard, "HTTP-redirect fetch").
      const plan = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE) }).catch(() => undefined);
      if (plan?.status === 200) return await plan.text();
      problem = plan === undefined ? "no answer" : `HTTP ${plan.status}`;
      // 204: it is not ready.
      if (plan !== undefined && plan.status !== 204 && plan.status < 500) break;
      await sleep(retryMilliseconds);
    }
    throw new OpsError("PLAN_UNREADABLE", `Terraform Cloud did not give it: ${problem}`);
  }

  async function send(url: string, { access_token: token }: Task, result: Result): Promise<void> {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/vnd.api+json" };
    const patch = { method: "PATCH", headers, body: JSON.stringify(documentOf(result)), redirect: "error" } as const;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const taken = await fetch(url, { ...patch, signal: AbortSignal.timeout(PATIENCE) }).catch(() => undefined);
      if (taken?.ok === true) return;
      await sleep(retryMilliseconds);
    }
    console.error("a result was not taken: Terraform Cloud will count the task as failed");
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LONGEST_REQUEST) throw new RangeError("a request is too long");
  }
  return Buffer.concat(chunks);
}

function isSigned(body: Buffer, signature: unknown, key: string): boolean {
  const expected = createHmac("sha512", key).update(body).digest();
  const given = Buffer.from(String(signature), "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function headline({ risks: [worst, ...others], notJudged }: Review): string {
  const judged =
    worst === undefined ? "no risks found" : `${worst.severity}: ${worst.what} (other risks: ${others.length})`;
  return notJudged.length === 0 ? judged : `${judged}; not judged: ${notJudged.length}`;
}

/** The result as Terraform Cloud takes it ("Run tasks integration API"). */
function documentOf({ status, message, review }: Result) {
  const label = review?.risks[0]?.severity ?? "none";
  const tags = { Severity: [{ label, level: LEVELS[label] }] };
  const details = review === undefined ? [] : [{ description: message, tags, body: reviewMarkdown(review) }];
  const data = details.map((detail) => ({
    type: "task-result-outcomes",
    attributes: { "outcome-id": "plan-review", ...detail },
  }));
  return { data: { type: "task-results", attributes: { status, message }, relationships: { outcomes: { data } } } };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

if (import.meta.main) {
  const {
    RUN_TASK_HMAC_KEY: hmacKey = "",
    RUN_TASK_HOST = "app.terraform.io",
    RUN_TASK_FAIL_ON = "high",
  } = process.env;
  const { RUN_TASK_ADDRESS = "127.0.0.1", RUN_TASK_PORT = "8080" } = process.env;
  const failOn = THRESHOLDS.find((threshold) => threshold === RUN_TASK_FAIL_ON);
  if (failOn === undefined) throw new Error(`RUN_TASK_FAIL_ON is one of ${THRESHOLDS.join(", ")}`);
  const allowedOrigins = RUN_TASK_HOST.split(",").map((host) => `https://${host.trim()}`);
  createRunTask({ hmacKey, allowedOrigins, failOn }).listen(Number(RUN_TASK_PORT), RUN_TASK_ADDRESS, () =>
    console.log(`listening on http://${RUN_TASK_ADDRESS}:${RUN_TASK_PORT}`),
  );
}
