import { TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import type { DeploymentConfig } from "./config.ts";
import { DeploymentStack } from "./deployment-stack.ts";
import { ApiKeys } from "./gateway/api-keys.ts";
import { corsFor } from "./gateway/cors.ts";
import { CustomDomain } from "./gateway/custom-domain.ts";
import { Firewall } from "./gateway/firewall.ts";
import { GatewayLogs } from "./gateway/gateway-logs.ts";
import { addGatewayResponses } from "./gateway/gateway-responses.ts";
import { UnknownPathPreflight } from "./gateway/preflight.ts";
import { PublishedStage } from "./gateway/published-stage.ts";
import { QueueRoutes } from "./gateway/queue-routes.ts";
import { RestApi } from "./gateway/rest-api.ts";
import { allowSources } from "./gateway/source-ip-policy.ts";
import type { MessagingStack } from "./messaging-stack.ts";

/** What producers call: the REST API that puts messages straight into the queues, and who may call it how often. */
export class GatewayStack extends DeploymentStack {
  constructor(scope: Construct, deployment: DeploymentConfig, messaging: MessagingStack) {
    super(scope, "gateway", deployment);
    const { accountRole, allowedSources, corsOrigins, domain, firewall } = deployment.gateway;
    const api = new RestApi(this, deployment);
    if (allowedSources.length > 0) allowSources(api, allowedSources);
    const cors = corsFor(corsOrigins);
    const routes = messaging.queues.map(
      (queue) => new QueueRoutes(this, { api, queue, region: deployment.region, cors }),
    );
    if (cors !== undefined) new UnknownPathPreflight(api, cors);
    const answers = addGatewayResponses(this, api, { cors, stageInPath: domain === undefined });
    const logs = accountRole === undefined ? undefined : new GatewayLogs(this, { deployment, api, key: messaging.key });
    const stage = new PublishedStage(this, { deployment, api, logs, published: [...routes, answers] });
    if (firewall !== undefined) new Firewall(this, { deployment, stage, limit: firewall });
    const host = domain === undefined ? undefined : new CustomDomain(this, { deployment, domain, api, stage });
    const keys = new ApiKeys(this, { deployment, api, stage });

    new TerraformOutput(this, "endpoint", {
      value: host?.url ?? stage.invokeUrl,
      description: "What producers give their client as its endpoint; a queue's name follows, e.g. /queue-1",
    });
    if (host?.nameServers !== undefined) {
      new TerraformOutput(this, "zone_name_servers", {
        value: host.nameServers,
        description: "What the parent of the zone has to name as its name servers",
      });
    }
    new TerraformOutput(this, "current_keys", {
      value: keys.current,
      description: "Generation and id of the API key that each producer is to use",
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
