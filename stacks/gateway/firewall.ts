import { Wafv2WebAcl } from "@cdktf/provider-aws/lib/wafv2-web-acl/index.js";
import { Wafv2WebAclAssociation } from "@cdktf/provider-aws/lib/wafv2-web-acl-association/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { firewallName, firewallRuleName } from "../names.ts";
import type { PublishedStage } from "./published-stage.ts";

interface FirewallProps {
  readonly deployment: DeploymentConfig;
  readonly stage: PublishedStage;
  readonly limit: NonNullable<DeploymentConfig["gateway"]["firewall"]>;
}

/**
 * A web ACL (WAF) in front of the stage. It refuses an address as long as that asks too often, by a rate that it estimates (WAF,
 * "Rate-based rule caveats"); all else passes. What it refuses is answered by the gateway response `WAF_FILTERED`.
 */
export class Firewall extends Construct {
  constructor(scope: Construct, { deployment, stage, limit }: FirewallProps) {
    super(scope, "firewall");
    const acl = new Wafv2WebAcl(this, "acl", {
      name: firewallName(deployment),
      // WAF takes no apostrophe in it.
      description: `Refuses addresses that ask the FIFO gateway of ${deployment.name} too often`,
      scope: "REGIONAL",
      defaultAction: { allow: {} },
      rule: [
        {
          name: firewallRuleName(deployment),
          priority: 0,
          action: { block: {} },
          // cdktf has no type for statements and takes Terraform's own names.
          statement: {
            rate_based_statement: {
              aggregate_key_type: "IP",
              limit: limit.requestsPerAddress,
              evaluation_window_sec: limit.windowSeconds,
            },
          },
          visibilityConfig: metricsOnly(firewallRuleName(deployment)),
        },
      ],
      visibilityConfig: metricsOnly(firewallName(deployment)),
    });
    new Wafv2WebAclAssociation(this, "association", { resourceArn: stage.arn, webAclArn: acl.arn });
  }
}

/** No samples of requests: they show all headers with their values, keys among them (WAF, "HTTPHeader" of `GetSampledRequests`). */
function metricsOnly(metricName: string) {
  return { metricName, cloudwatchMetricsEnabled: true, sampledRequestsEnabled: false };
}
