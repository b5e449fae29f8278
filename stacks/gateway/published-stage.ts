import { createHash } from "node:crypto";
import { ApiGatewayDeployment } from "@cdktf/provider-aws/lib/api-gateway-deployment/index.js";
import { ApiGatewayMethodSettings } from "@cdktf/provider-aws/lib/api-gateway-method-settings/index.js";
import { ApiGatewayStage } from "@cdktf/provider-aws/lib/api-gateway-stage/index.js";
import { type IResolveContext, Lazy, TerraformResource } from "cdktf";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import type { GatewayLogs } from "./gateway-logs.ts";
import type { RestApi } from "./rest-api.ts";

interface PublishedStageProps {
  readonly api: RestApi;
  readonly deployment: DeploymentConfig;
  /** Where its logs go; undefined where none are written. */
  readonly logs: GatewayLogs | undefined;
  /** What a deployment publishes besides the API itself: routes and gateway responses. */
  readonly published: readonly Construct[];
}

/**
 * The stage that producers call, and the deployment that it shows: a new one exactly when what it publishes changed. The stage's
 * own settings need none: limits of all producers together, logs, traces.
 *
 * One thing Terraform cannot order: a route that is taken away is deleted only after the new deployment was made, which
 * still contains it. `terraform apply -replace=aws_api_gateway_deployment.stage_deployment` afterwards publishes without it.
 */
export class PublishedStage extends Construct {
  readonly name: string;
  readonly arn: string;
  readonly invokeUrl: string;

  constructor(
    scope: Construct,
    { deployment: { gateway, stage: stageName, tracing }, api, logs, published }: PublishedStageProps,
  ) {
    super(scope, "stage");
    const resources = [api, ...published]
      .flatMap((construct) => construct.node.findAll())
      .filter((construct) => construct instanceof TerraformResource)
      .filter(({ terraformResourceType }) => terraformResourceType.startsWith("aws_api_gateway_"));

    const deployment = new ApiGatewayDeployment(this, "deployment", {
      restApiId: api.id,
      triggers: { published: Lazy.stringValue({ produce: (context) => digest(context, api.role.name, resources) }) },
      // The stage shows the old deployment until the new one is there.
      lifecycle: { createBeforeDestroy: true },
      dependsOn: resources,
    });
    const stage = new ApiGatewayStage(this, "stage", {
      restApiId: api.id,
      deploymentId: deployment.id,
      stageName,
      ...(tracing ? { xrayTracingEnabled: true } : {}),
      ...(logs === undefined ? {} : { accessLogSettings: logs.access, dependsOn: logs.ready }),
    });
    new ApiGatewayMethodSettings(this, "methods", {
      restApiId: api.id,
      stageName: stage.stageName,
      methodPath: "*/*",
      settings: {
        metricsEnabled: true,
        loggingLevel: logs === undefined ? "OFF" : "ERROR",
        // It would write whole bodies to the log.
        dataTraceEnabled: false,
        throttlingRateLimit: gateway.throttle.rateLimit,
        throttlingBurstLimit: gateway.throttle.burstLimit,
      },
    });
    this.name = stage.stageName;
    this.arn = stage.arn;
    this.invokeUrl = stage.invokeUrl;
  }
}

/** What is emitted for a resource but not published by a deployment: it may change without a new one. */
const UNPUBLISHED = new Set(["//", "depends_on", "lifecycle", "description", "tags"]);

/**
 * SHA-1 of all that a deployment publishes. It is made of the emitted values: what they refer to (the account, a queue's
 * URL) follows from names that are among them, and the role's name, which is not, comes with them.
 */
function digest(context: IResolveContext, roleName: string, resources: readonly TerraformResource[]): string {
  const emitted = resources.map((resource) => onlyPublished(context.resolve(resource.toTerraform())));
  return createHash("sha1")
    .update(JSON.stringify([roleName, emitted]))
    .digest("hex");
}

function onlyPublished(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => onlyPublished(item));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !UNPUBLISHED.has(key))
      .map(([key, item]) => [key, onlyPublished(item)]),
  );
}
