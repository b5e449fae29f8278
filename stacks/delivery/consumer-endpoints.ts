import { VpcEndpoint } from "@cdktf/provider-aws/lib/vpc-endpoint/index.js";
import { type ITerraformDependable, Lazy } from "cdktf";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { networkName } from "../names.ts";
import type { ServiceRole } from "../role.ts";
import type { SecurityGroups } from "./security-groups.ts";

interface ConsumerEndpointsProps {
  readonly deployment: DeploymentConfig;
  readonly role: ServiceRole;
  readonly vpcId: string;
  readonly subnetIds: readonly string[];
  readonly routeTableId: string;
  readonly groups: SecurityGroups;
}

/**
 * The consumer's ways to SQS and DynamoDB. By each goes only what its role allows, on the queues, table and index that it names: the
 * endpoints' policies are made of the role's own statements, so the two never differ.
 *
 * The consumer calls `https://sqs.<region>.amazonaws.com` (`useQueueUrlAsEndpoint: false`, and the queues' URLs have the same host),
 * which the interface endpoint's private name stands for; DynamoDB's addresses go by the route of the gateway endpoint, whatever their name.
 */
export class ConsumerEndpoints extends Construct {
  readonly needs: readonly ITerraformDependable[];

  constructor(scope: Construct, props: ConsumerEndpointsProps) {
    super(scope, "endpoints");
    const { deployment, role, vpcId, subnetIds, routeTableId, groups } = props;
    const endpoint = (service: "sqs" | "dynamodb") => ({
      vpcId,
      serviceName: `com.amazonaws.${deployment.region}.${service}`,
      policy: Lazy.stringValue({ produce: () => policyFor(role, service) }),
      tags: { Name: `${networkName(deployment)}-${service}` },
    });
    const queues = new VpcEndpoint(this, "sqs", {
      ...endpoint("sqs"),
      vpcEndpointType: "Interface",
      privateDnsEnabled: true,
      subnetIds: [...subnetIds],
      securityGroupIds: [groups.queues],
    });
    const table = new VpcEndpoint(this, "dynamodb", {
      ...endpoint("dynamodb"),
      vpcEndpointType: "Gateway",
      routeTableIds: [routeTableId],
    });
    this.needs = [queues, table, groups.allowTable(table.prefixListId)];
  }
}

/**
 * What a role may do with a service, as an endpoint's policy. A gateway endpoint takes the role by this condition only, and an interface
 * endpoint takes it, too (VPC, "Control access to VPC endpoints using endpoint policies").
 */
function policyFor(role: ServiceRole, service: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: role.statementsFor(service).map((statement) => ({
      ...statement,
      Principal: "*",
      Condition: { ArnEquals: { "aws:PrincipalArn": role.arn } },
    })),
  });
}
