import { ApiGatewayApiKey } from "@cdktf/provider-aws/lib/api-gateway-api-key/index.js";
import { ApiGatewayUsagePlan } from "@cdktf/provider-aws/lib/api-gateway-usage-plan/index.js";
import { ApiGatewayUsagePlanKey } from "@cdktf/provider-aws/lib/api-gateway-usage-plan-key/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import type { PublishedStage } from "./published-stage.ts";
import type { RestApi } from "./rest-api.ts";

/** The generation of its key that a producer is to use, and that key's id. */
interface CurrentKey {
  readonly generation: string;
  readonly id: string;
}

interface ApiKeysProps {
  readonly deployment: DeploymentConfig;
  readonly api: RestApi;
  readonly stage: PublishedStage;
}

/**
 * A usage plan for each producer, and its keys. Throttle and quota count per key: two keys of a producer have twice its
 * limits (API Gateway, "Usage plans").
 *
 * A key is rotated without an outage, one apply for each step, and none of them touches another key: `["a", "b"]` adds a key, which
 * takes some minutes to work everywhere; `["b", "a"]` says that it is the one to use, which only the output `current_keys` changes by;
 * `["b", { generation: "a", enabled: false }]` shows who still uses the old one, and can be taken back; `["b"]` deletes it.
 */
export class ApiKeys extends Construct {
  /** The key that each producer is to use: the first one that is listed. */
  readonly current: Record<string, CurrentKey> = {};
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
      const [first] = made;
      if (first !== undefined) this.current[name] = { generation: first.generation, id: first.key.id };
      this.ids[name] = Object.fromEntries(made.map(({ generation, key }) => [generation, key.id]));
      this.values[name] = Object.fromEntries(made.map(({ generation, key }) => [generation, key.value]));
    }
  }
}
