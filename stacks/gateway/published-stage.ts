import { createHash } from "node:crypto";
import { ApiGatewayDeployment } from "@cdktf/provider-aws/lib/api-gateway-deployment/index.js";
import { ApiGatewayStage } from "@cdktf/provider-aws/lib/api-gateway-stage/index.js";
import { type IResolveContext, Lazy, TerraformResource } from "cdktf";
import { Construct } from "constructs";
import type { RestApi } from "./rest-api.ts";

interface PublishedStageProps {
  readonly api: RestApi;
  /** First part of every path, e.g. `kimalarm`. */
  readonly stageName: string;
  /** What a deployment publishes besides the API itself: routes and gateway responses. */
  readonly published: readonly Construct[];
}

/**
 * The stage that producers call, and the deployment that it shows: a new one exactly when what it publishes changed.
 *
 * One thing Terraform cannot order: a route that is taken away is deleted only after the new deployment was made, which
 * still contains it. `terraform apply -replace=aws_api_gateway_deployment.stage_deployment` afterwards publishes without it.
 */
export class PublishedStage extends Construct {
  readonly name: string;
  readonly invokeUrl: string;

  constructor(scope: Construct, { api, stageName, published }: PublishedStageProps) {
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
    });
    this.name = stage.stageName;
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
