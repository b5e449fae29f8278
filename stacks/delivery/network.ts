import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity/index.js";
import { DefaultSecurityGroup } from "@cdktf/provider-aws/lib/default-security-group/index.js";
import { InternetGateway } from "@cdktf/provider-aws/lib/internet-gateway/index.js";
import { Route } from "@cdktf/provider-aws/lib/route/index.js";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table/index.js";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association/index.js";
import { Subnet } from "@cdktf/provider-aws/lib/subnet/index.js";
import { Vpc } from "@cdktf/provider-aws/lib/vpc/index.js";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { networkName } from "../names.ts";
import type { ServiceRole } from "../role.ts";
import { ConsumerEndpoints } from "./consumer-endpoints.ts";
import { planNetwork } from "./network-plan.ts";
import { PackagesEndpoint } from "./packages-endpoint.ts";
import { SecurityGroups } from "./security-groups.ts";

/** How a function is put into the network. */
export interface NetworkPlace {
  readonly vpcConfig: { readonly subnetIds: string[]; readonly securityGroupIds: string[] };
  /** What it cannot do without once it is called, and what must outlive it. */
  readonly needs: readonly ITerraformDependable[];
}

/**
 * The network of consumer and response server.
 *
 * The instance is in a public subnet, with a way out for packages and Session Manager. The consumer is in two private ones without any
 * way out: it reaches the instance, and SQS and DynamoDB by endpoints. It needs none for anything else. KMS is called by
 * the services that encrypt, on the caller's behalf (SQS, "Key management"; DynamoDB, "How DynamoDB uses AWS KMS"; Lambda, "Securing
 * Lambda environment variables"). Logs and traces are written from outside of the function's network (Lambda, "Using source
 * function ARN to control function access behavior" names both as requests that Lambda makes itself).
 *
 * To destroy it takes up to 45 minutes: Lambda gives back its interfaces late, and Terraform waits for them before it deletes subnets
 * and security groups (Terraform's AWS provider, `aws_subnet` and `aws_security_group`).
 */
export class Network extends Construct {
  readonly groups: SecurityGroups;
  readonly publicSubnetId: string;
  /** The address that the instance has in the public subnet. */
  readonly instanceAddress: string;
  /** What the instance cannot do without when it starts. */
  readonly instanceNeeds: readonly ITerraformDependable[];

  private readonly deployment: DeploymentConfig;
  private readonly vpcId: string;
  private readonly privateSubnets: readonly Subnet[];
  private readonly privateRoutes: RouteTable;
  private readonly privateAssociations: readonly RouteTableAssociation[];

  constructor(scope: Construct, deployment: DeploymentConfig) {
    super(scope, "network");
    const { region, responseServer } = deployment;
    const plan = planNetwork(responseServer.network);
    const name = networkName(deployment);
    const tags = (part: string) => ({ tags: { Name: `${name}-${part}` } });

    const vpc = new Vpc(this, "vpc", {
      cidrBlock: responseServer.network,
      // Both, or endpoints have no private names.
      enableDnsSupport: true,
      enableDnsHostnames: true,
      tags: { Name: name },
    });
    // Without rules it lets nothing through: what is put into the network in no group of its own reaches nothing.
    new DefaultSecurityGroup(this, "default-group", {
      vpcId: vpc.id,
      ingress: [],
      egress: [],
      ...tags("default-closed"),
    });

    const subnet = (id: string, cidrBlock: string, zone: string, more = {}) =>
      new Subnet(this, id, { vpcId: vpc.id, cidrBlock, availabilityZone: `${region}${zone}`, ...tags(id), ...more });
    const [first, second] = responseServer.zones;
    // Public addresses come from the subnet: as an argument of the instance, the provider would take one that was stopped, and
    // has none then, for another instance, and replace it.
    const publicSubnet = subnet("public", plan.publicSubnet, first, { mapPublicIpOnLaunch: true });
    this.privateSubnets = [
      subnet("private-1", plan.privateSubnets[0], first),
      subnet("private-2", plan.privateSubnets[1], second),
    ];

    const internet = new InternetGateway(this, "internet", { vpcId: vpc.id, tags: { Name: name } });
    const publicRoutes = new RouteTable(this, "public-routes", { vpcId: vpc.id, ...tags("public") });
    const wayOut = new Route(this, "way-out", {
      routeTableId: publicRoutes.id,
      destinationCidrBlock: "0.0.0.0/0",
      gatewayId: internet.id,
    });
    const publicAssociation = new RouteTableAssociation(this, "public-association", {
      subnetId: publicSubnet.id,
      routeTableId: publicRoutes.id,
    });
    // A table of their own, so that a route that somebody puts into the network's main one is none of theirs.
    this.privateRoutes = new RouteTable(this, "private-routes", { vpcId: vpc.id, ...tags("private") });
    this.privateAssociations = this.privateSubnets.map(
      ({ id }, index) =>
        new RouteTableAssociation(this, `private-${index + 1}-association`, {
          subnetId: id,
          routeTableId: this.privateRoutes.id,
        }),
    );

    const packages = new PackagesEndpoint(this, { deployment, vpcId: vpc.id, routeTableId: publicRoutes.id });
    this.groups = new SecurityGroups(this, { deployment, vpcId: vpc.id });
    this.deployment = deployment;
    this.vpcId = vpc.id;
    this.publicSubnetId = publicSubnet.id;
    this.instanceAddress = plan.instanceAddress;
    this.instanceNeeds = [wayOut, publicAssociation, packages.endpoint, ...this.groups.instanceRules];
  }

  /**
   * Lets a function with this role into the private subnets. There it reaches the response server, and of SQS and DynamoDB exactly
   * what the role allows.
   */
  admitConsumer(role: ServiceRole): NetworkPlace {
    this.grantInterfaces(role);
    const endpoints = new ConsumerEndpoints(this, {
      deployment: this.deployment,
      role,
      vpcId: this.vpcId,
      subnetIds: this.privateSubnets.map(({ id }) => id),
      routeTableId: this.privateRoutes.id,
      groups: this.groups,
    });
    return {
      vpcConfig: {
        subnetIds: this.privateSubnets.map(({ id }) => id),
        securityGroupIds: [this.groups.consumer],
      },
      needs: [...this.privateAssociations, ...this.groups.consumerRules, ...endpoints.needs],
    };
  }

  /**
   * What Lambda needs to connect a function (Lambda, "Giving Lambda functions access to resources in an Amazon VPC"). It makes and
   * deletes interfaces with the function's role. The function's own code cannot do the same with it, although that page proposes to
   * deny it: there is no way from these subnets to EC2's API.
   */
  private grantInterfaces(role: ServiceRole): void {
    const account = new DataAwsCallerIdentity(this, "account", {}).accountId;
    const ec2 = `arn:aws:ec2:${this.deployment.region}:${account}`;
    role.allow(
      "CreateInterfaces",
      ["ec2:CreateNetworkInterface"],
      [...this.privateSubnets.map(({ arn }) => arn), this.groups.consumerArn, `${ec2}:network-interface/*`],
    );
    role.allow(
      "AddressInterfaces",
      ["ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"],
      [`${ec2}:network-interface/*`],
    );
    // As that page has it: Lambda checks the permission before there is an interface, so its type is not known then.
    role.allow("DeleteInterfaces", ["ec2:DeleteNetworkInterface"], [`${ec2}:*/*`]);
    role.allowUnscoped("DescribeNetwork");
  }
}
