import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group/index.js";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule/index.js";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule/index.js";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { networkName } from "../names.ts";
import { RESPONSE_SERVER_PORT } from "./network-plan.ts";

interface SecurityGroupsProps {
  readonly deployment: DeploymentConfig;
  readonly vpcId: string;
}

/** HTTPS, which is all that AWS's own services and packages are reached by. */
const HTTPS_PORT = 443;

/**
 * Who may speak to whom in the network. Each rule is a resource of its own, with words that stand in the console beside it (EC2
 * takes no apostrophe in them).
 *
 * Name servers and the clock need no rule: security groups do not look at what goes to Amazon's own addresses in the network
 * (VPC, "Control traffic to your AWS resources using security groups").
 */
export class SecurityGroups extends Construct {
  /** Id of the response server's group. */
  readonly instance: string;
  readonly instanceRules: readonly ITerraformDependable[];
  /** Id of the consumer's group. */
  readonly consumer: string;
  readonly consumerArn: string;
  readonly consumerRules: readonly ITerraformDependable[];
  /** Id of the SQS endpoint's group. */
  readonly queues: string;

  constructor(scope: Construct, { deployment, vpcId }: SecurityGroupsProps) {
    super(scope, "groups");
    const group = (id: string, description: string) => {
      const name = `${networkName(deployment)}-${id}`;
      return new SecurityGroup(this, id, { name, description, vpcId, tags: { Name: name } });
    };
    const instance = group("response-server", "The response server");
    const consumer = group("consumer", "The consumer function");
    const queues = group("queues", "The endpoint of SQS");

    const between = (id: string, from: SecurityGroup, to: SecurityGroup, port: number, what: string) => {
      const ports = { ipProtocol: "tcp", fromPort: port, toPort: port };
      return [
        new VpcSecurityGroupEgressRule(this, `${id}-out`, {
          securityGroupId: from.id,
          referencedSecurityGroupId: to.id,
          ...ports,
          description: `${what} out`,
        }),
        new VpcSecurityGroupIngressRule(this, `${id}-in`, {
          securityGroupId: to.id,
          referencedSecurityGroupId: from.id,
          ...ports,
          description: `${what} in`,
        }),
      ];
    };
    this.consumerRules = [
      ...between("deliveries", consumer, instance, RESPONSE_SERVER_PORT, "Deliveries to the response server"),
      ...between("queue-calls", consumer, queues, HTTPS_PORT, "Calls of SQS"),
    ];
    this.instanceRules = [
      new VpcSecurityGroupEgressRule(this, "updates-out", {
        securityGroupId: instance.id,
        cidrIpv4: "0.0.0.0/0",
        ipProtocol: "tcp",
        fromPort: HTTPS_PORT,
        toPort: HTTPS_PORT,
        description: "Session Manager and packages out",
      }),
    ];
    this.instance = instance.id;
    this.consumer = consumer.id;
    this.consumerArn = consumer.arn;
    this.queues = queues.id;
  }

  /** Lets the consumer call DynamoDB, by the addresses that its endpoint's prefix list has. */
  allowTable(prefixListId: string): ITerraformDependable {
    return new VpcSecurityGroupEgressRule(this, "table-calls-out", {
      securityGroupId: this.consumer,
      prefixListId,
      ipProtocol: "tcp",
      fromPort: HTTPS_PORT,
      toPort: HTTPS_PORT,
      description: "Calls of DynamoDB out",
    });
  }
}
