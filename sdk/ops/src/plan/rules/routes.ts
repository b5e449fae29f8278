import { type Change, changedAttributes, isSame, secretsOf, shown, was, will } from "../change.ts";
import { goesAlone, movesToOther } from "../owner.ts";
import { changesOf, once, type Plan } from "../plan.ts";
import type { Rule } from "../risk.ts";
import { differing, notKnown } from "./comparison.ts";
import { routeName } from "./route-name.ts";
import { whyItGoes } from "./wording.ts";

const DEPLOYMENT = "aws_api_gateway_deployment";
const STAGE = "aws_api_gateway_stage";
const METHOD = "aws_api_gateway_method";
const INTEGRATION = "aws_api_gateway_integration";

/** What a deployment publishes: it is live with the next deployment, not with the apply (API Gateway, "Deploy REST APIs"). */
const PUBLISHED = [
  "aws_api_gateway_rest_api",
  "aws_api_gateway_rest_api_policy",
  "aws_api_gateway_resource",
  "aws_api_gateway_method",
  "aws_api_gateway_method_response",
  INTEGRATION,
  "aws_api_gateway_integration_response",
  "aws_api_gateway_model",
  "aws_api_gateway_request_validator",
  "aws_api_gateway_gateway_response",
  "aws_api_gateway_authorizer",
] as const;

/** Attributes of these that no deployment publishes. */
const UNPUBLISHED = new Set(
  // Another address type needs no deployment (API Gateway, "Change the IP address type of a REST API").
  "description tags tags_all name put_rest_api_mode fail_on_warnings endpoint_configuration".split(" "),
);

/** What can happen between producers and queues. */
export const routeRules: readonly Rule[] = [
  {
    id: "change-not-published",
    types: PUBLISHED,
    look: (change, { plan }) => {
      if (change.origin === "outside") return [];
      // Told once, at the first of an API's.
      const waiting = waitingForDeployment(plan).filter((other) => isSameApi(other, change));
      if (waiting[0] !== change || newDeployments(plan).some((deployment) => isSameApi(deployment, change))) return [];
      return [
        {
          severity: "high",
          what: "routes change, and the stage goes on with the old ones",
          reason: `${some(waiting.map(({ address }) => address))} without a new ${DEPLOYMENT}`,
          lost: "the change: producers get the old routes until some later apply publishes it unannounced",
          instead: "hash whatever a deployment publishes into its triggers, and plan without -target",
        },
      ];
    },
  },
  {
    id: "deployment-not-served",
    types: [STAGE],
    look: (change, { plan }) => {
      const isMoved =
        !will(change, "deployment_id").known || !isSame(was(change, "deployment_id"), change.after?.["deployment_id"]);
      if (change.before === undefined || change.after === undefined || isMoved || change.origin === "outside")
        return [];
      const own = newDeployments(plan).filter(
        (deployment) =>
          isSameApi(deployment, change) &&
          (deployment.before === undefined || deployment.before["id"] === was(change, "deployment_id")),
      );
      if (own.length === 0) return [];
      return [
        {
          severity: "high",
          what: `a new deployment is made, and stage ${was(change, "stage_name")} goes on with the old one`,
          reason: `${some(own.map(({ address }) => address))} is made, deployment_id of the stage stays`,
          lost: "the change: producers get the old routes; if the old deployment is destroyed, the apply fails",
          instead: "let the stage's deployment_id refer to the deployment",
        },
      ];
    },
  },
  {
    id: "deployment-without-change",
    types: [DEPLOYMENT],
    look: (change, { plan }) => {
      const isOwn = (other: Change) => isPublishedOrNamed(other) && isSameApi(other, change);
      if (change.action !== "replace" || change.isDeposed || plan.changes.some(isOwn)) return [];
      return [
        {
          severity: "medium",
          what: "a new deployment is made, and no route changes",
          reason: whyItGoes(change),
          lost: "nothing by the plan; but what somebody changed in the API by hand and did not publish goes live with it, or what an earlier apply took away",
          instead: "find out why its triggers differ; a deployment should come with a change of a route",
        },
      ];
    },
  },
  {
    id: "deployment-gap",
    types: [DEPLOYMENT],
    look: (change) => {
      if (change.action !== "replace" || change.createsFirst) return [];
      return [
        {
          severity: "medium",
          what: "the deployment in use is destroyed before there is another one",
          reason: "it is replaced without create_before_destroy",
          lost: "the apply, halfway: API Gateway deletes no deployment that a stage points to",
          instead: "set lifecycle.create_before_destroy on it",
        },
      ];
    },
  },
  {
    id: "route-lost",
    types: ["aws_api_gateway_method"],
    look: (change, { plan }) => {
      if (!goesAlone(change, plan) || was(change, "http_method") === "OPTIONS") return [];
      const isBack = change.action === "replace";
      return [
        {
          severity: isBack ? "low" : "high",
          what: `route ${routeName(change, plan)} ${isBack ? "is recreated" : "is taken away"}`,
          reason: whyItGoes(change),
          lost: isBack
            ? "nothing: the stage serves what was published until the new deployment is there"
            : "every request to it. The deployment of this apply still has the route, whose queue may be gone: refused with 400 or 502; from the next deployment on there is no such route (404)",
          instead: isBack
            ? "nothing; see that the deployment is replaced with it"
            : `move its producers first, and see in the access log that nobody calls it; afterwards \`terraform apply -replace=${DEPLOYMENT}.stage_deployment\``,
        },
      ];
    },
  },
  {
    id: "route-lost",
    types: [INTEGRATION, "aws_api_gateway_resource"],
    look: (change, { plan }) => {
      const lost = "every request that comes the old way";
      const path = differing(change, "path_part");
      if (change.type !== INTEGRATION) {
        if (path === undefined) return notKnown(change, ["path_part"], "whether the route keeps its path");
        const instead = "put the new path beside the old one, and move the producers first";
        return [{ severity: "high", what: `route ${change.name} gets another path`, reason: path, lost, instead }];
      }
      const isOfRoute = ({ before }: Change) =>
        before?.["resource_id"] === was(change, "resource_id") &&
        before?.["http_method"] === was(change, "http_method");
      const method = changesOf(plan, METHOD).find(isOfRoute);
      if (
        change.action !== "destroy" ||
        !goesAlone(change, plan) ||
        method === undefined ||
        method.action === "destroy"
      )
        return [];
      const what = `route ${routeName(method, plan)} leads nowhere`;
      return [
        {
          severity: "high",
          what,
          reason: `${change.address} is destroyed, and the method stays`,
          lost,
          instead: "take the method away as well, after its producers have moved",
        },
      ];
    },
  },
  {
    id: "route-to-other-queue",
    types: [INTEGRATION],
    look: (change, { plan }) => {
      if (change.before === undefined || change.after === undefined || change.action === "none") return [];
      const open = notKnown(change, ["uri", "request_templates"], "whether the route leads to another queue");
      const [from, to] = [targetOf(change.before), targetOf(change.after)];
      if (open.length > 0 || from === to || !isQueueRoute(change) || movesToOther(change)) return open;
      // What is known after the apply only is no other queue by that.
      if (change.action === "replace" && !will(change, "uri").known) return [];
      return [
        {
          severity: "critical",
          what: `route ${routeName(change, plan)} leads somewhere else`,
          reason: [from, to].some((target) => secretsOf(change).some((secret) => target.includes(secret)))
            ? "uri differs"
            : `${from} -> ${to}`,
          lost: "the order of each group that has messages in the old queue: those in the new one do not wait for them",
          instead: "stop the producers, wait until the old queue is empty, then apply",
        },
      ];
    },
  },
  {
    id: "refusal-looks-accepted",
    types: ["aws_api_gateway_integration_response"],
    look: (change, { plan }) => {
      if (change.after === undefined || change.action === "none" || !isQueueRoute(change)) return [];
      const [status, pattern] = [will(change, "status_code"), will(change, "selection_pattern")];
      if (!status.known || !pattern.known)
        return [{ unknown: "selection_pattern", what: "whether a refusal would look accepted" }];
      const refusals = REFUSALS.filter((refusal) => answers(pattern.value, refusal));
      if (!String(status.value).startsWith("2") || refusals.length === 0) return [];
      const had = REFUSALS.filter((refusal) => answers(was(change, "selection_pattern"), refusal));
      if (
        change.before !== undefined &&
        String(was(change, "status_code")) === String(status.value) &&
        had.length === refusals.length
      )
        return [];
      return [
        {
          severity: "critical",
          what: `route ${routeName(change, plan)} answers ${status.value} also when SQS refuses`,
          reason: `selection_pattern ${shown(change, "selection_pattern", pattern.value)} on status ${status.value} takes ${refusals.join(", ")} of SQS's as well`,
          lost: "every message that SQS refuses: its producer takes it for accepted and never sends it again",
          instead: 'match 200 explicitly (selection_pattern = "200"), and let the answer without a pattern be a 502',
        },
      ];
    },
  },
  {
    id: "refusal-looks-accepted",
    types: ["aws_api_gateway_gateway_response"],
    look: (change) => {
      if (change.after === undefined || change.action === "none") return [];
      const status = will(change, "status_code");
      if (!status.known) return [{ unknown: "status_code", what: "whether a refusal would look accepted" }];
      if (!String(status.value ?? "").startsWith("2") || isSame(was(change, "status_code"), status.value)) return [];
      return [
        {
          severity: "critical",
          what: `the gateway answers ${change.after["response_type"]} with ${status.value}`,
          reason: `status_code ${shown(change, "status_code", was(change, "status_code"))} -> ${status.value}`,
          lost: "every message that the gateway refuses so: its producer takes it for accepted and never sends it again",
          instead: "leave it a 4xx or 5xx",
        },
      ];
    },
  },
];

/** What SQS and API Gateway's call of it answer when a message was not taken. */
const REFUSALS = ["400", "403", "413", "429", "500", "503"] as const;

/** Whether an integration response is the answer to a status of SQS's: its pattern matches, or it has none (API Gateway, "default"). */
function answers(pattern: unknown, status: string): boolean {
  if (isSame(pattern, undefined) || pattern === "-") return true;
  try {
    return new RegExp(`^(?:${pattern})$`).test(status);
  } catch {
    // API Gateway reads Java's patterns: what JavaScript cannot read may match.
    return true;
  }
}

/** Where a route leads: to SQS, the queue in its address, and in the templates of the batch route; else the host alone, since a URL may hold a secret. */
function targetOf(attributes: Change["before"]): string {
  const templates = JSON.stringify(attributes?.["request_templates"] ?? {});
  const queues = [...templates.matchAll(/\\"QueueUrl\\":\\"([^"\\]+)/g)].map(([, url]) => url);
  const uri = String(attributes?.["uri"] ?? "none");
  const address = uri.startsWith("arn:") ? uri : URL.canParse(uri) ? new URL(uri).host : uri;
  return [attributes?.["type"], address, ...queues].join(" ");
}

/** Deployments that a plan makes. */
const newDeployments = once((plan) =>
  changesOf(plan, DEPLOYMENT).filter(
    ({ action, isDeposed }) => !isDeposed && (action === "replace" || action === "create"),
  ),
);

/** What is live with the next deployment only. */
const waitingForDeployment = once((plan) => plan.changes.filter((change) => waitsForDeployment(change, plan)));

/** Whether two resources may belong to one API: a new one has no id yet. */
function isSameApi(one: Change, other: Change): boolean {
  const [a, b] = [one, other].map(({ type, before, after }) => {
    const attribute = type === "aws_api_gateway_rest_api" ? "id" : "rest_api_id";
    return before?.[attribute] ?? after?.[attribute];
  });
  return a === undefined || b === undefined || a === b;
}

/** Whether a change is live with the next deployment only. What goes with its API is gone at once. */
function waitsForDeployment(change: Change, plan: Plan): boolean {
  if (!isOneOf(change.type) || change.isDeposed || change.action === "none" || change.action === "forget") return false;
  if (change.action === "destroy") return change.type !== "aws_api_gateway_rest_api" && goesAlone(change, plan);
  return change.action !== "update" || changedAttributes(change).some((attribute) => !UNPUBLISHED.has(attribute));
}

/** A change after which a deployment is no surprise: the triggers hash some of what is not published, too. */
function isPublishedOrNamed(change: Change): boolean {
  if (!isOneOf(change.type) || change.action === "none") return false;
  return (
    change.action !== "update" ||
    changedAttributes(change).some((name) => !/^(?:tags|tags_all|description)$/.test(name))
  );
}

function isOneOf(type: string): boolean {
  return PUBLISHED.some((published) => published === type);
}

/** A preflight's mock integration answers 200 by itself. */
function isQueueRoute(change: Change): boolean {
  return change.after?.["http_method"] !== "OPTIONS";
}

function some(addresses: readonly string[]): string {
  const [first = "", ...more] = addresses;
  return more.length === 0 ? first : `${first} and ${more.length} more`;
}
