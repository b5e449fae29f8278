import { ApiGatewayApiKey } from "@cdktf/provider-aws/lib/api-gateway-api-key/index.js";
import { ApiGatewayUsagePlan } from "@cdktf/provider-aws/lib/api-gateway-usage-plan/index.js";
import { ApiGatewayUsagePlanKey } from "@cdktf/provider-aws/lib/api-gateway-usage-plan-key/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import type { PublishedStage } from "./published-stage.ts";
import type { RestApi } from "./rest-api.ts";

interface ApiKeysProps {
  readonly deployment: DeploymentConfig;
  readonly api: RestApi;
  readonly stage: PublishedStage;
}

/**
 * A usage plan for each producer, and its keys. Throttle and quota count per key: two keys of a producer have twice its
 * limits (API Gateway, "Usage plans").
 */
export class ApiKeys extends Construct {
  /** Key ids by producer, then by generation. */
  readonly ids: Record<string, Record<string, string>> = {};
  /** Key values by producer, then by generation: for sensitive outputs only. */
  readonly values: Record<string, Record<string, string>> = {};

  constructor(scope: Construct, { deployment, api, stage }: ApiKeysProps) {
    super(scope, "producers");
    for (const { name, keys, rateLimit, burstLimit, quota } of deployment.producers) {
      const producer = new Construct(this, name);
      const plan = new ApiGatewayUsagePlan(producer, "plan", {
        name: `${deployment.name}-${name}`,
        apiStages: [{ apiId: api.id, stage: stage.name }],
        throttleSettings: { rateLimit, burstLimit },
        quotaSettings: { limit: quota.limit, period: quota.period },
      });
      const made = keys.map(({ generation, enabled }) => {
        const key = new ApiGatewayApiKey(producer, `key-${generation}`, {
          name: `${deployment.name}-${name}-${generation}`,
          enabled,
        });
        new ApiGatewayUsagePlanKey(producer, `plan-key-${generation}`, {
          keyId: key.id,
          keyType: "API_KEY",
          usagePlanId: plan.id,
        });
        return { generation, key };
      });
      this.ids[name] = Object.fromEntries(made.map(({ generation, key }) => [generation, key.id]));
      this.values[name] = Object.fromEntries(made.map(({ generation, key }) => [generation, key.value]));
    }
  }
}
