import { TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import type { DeploymentConfig } from "./config.ts";
import { DeploymentStack } from "./deployment-stack.ts";
import { ApiKeys } from "./gateway/api-keys.ts";
import { corsFor } from "./gateway/cors.ts";
import { addGatewayResponses } from "./gateway/gateway-responses.ts";
import { UnknownPathPreflight } from "./gateway/preflight.ts";
import { PublishedStage } from "./gateway/published-stage.ts";
import { QueueRoutes } from "./gateway/queue-routes.ts";
import { RestApi } from "./gateway/rest-api.ts";
import type { MessagingStack } from "./messaging-stack.ts";

/** What producers call: the REST API that puts messages straight into the queues, and who may call it how often. */
export class GatewayStack extends DeploymentStack {
  constructor(scope: Construct, deployment: DeploymentConfig, messaging: MessagingStack) {
    super(scope, "gateway", deployment);
    const api = new RestApi(this, deployment);
    const cors = corsFor(deployment.gateway.corsOrigins);
    const routes = messaging.queues.map(
      (queue) => new QueueRoutes(this, { api, queue, region: deployment.region, cors }),
    );
    if (cors !== undefined) new UnknownPathPreflight(api, cors);
    const answers = addGatewayResponses(this, api, cors);
    const stage = new PublishedStage(this, { api, stageName: deployment.stage, published: [...routes, answers] });
    const keys = new ApiKeys(this, { deployment, api, stage });

    new TerraformOutput(this, "endpoint", {
      value: stage.invokeUrl,
      description: "What producers give their client as its endpoint; a queue's name follows, e.g. /queue-1",
    });
    new TerraformOutput(this, "api_key_ids", {
      value: keys.ids,
      description: "Id of each API key, by producer and generation",
    });
    new TerraformOutput(this, "api_keys", {
      value: keys.values,
      description: "Value of each API key, by producer and generation",
      sensitive: true,
    });
  }
}
