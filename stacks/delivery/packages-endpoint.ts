import { VpcEndpoint } from "@cdktf/provider-aws/lib/vpc-endpoint/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { networkName } from "../names.ts";
import { PUBLIC_STATEMENTS, type PublicStatement } from "../wildcards.ts";

interface PackagesEndpointProps {
  readonly deployment: DeploymentConfig;
  readonly vpcId: string;
  /** The instance's subnet goes by it. */
  readonly routeTableId: string;
}

const READ: PublicStatement = "ReadPackages";

/**
 * The instance's way to S3, where Amazon Linux's packages and Systems Manager's files are. Nothing else in S3 can be reached from the
 * instance, whoever's credentials are used.
 */
export class PackagesEndpoint extends Construct {
  readonly endpoint: VpcEndpoint;

  constructor(scope: Construct, { deployment, vpcId, routeTableId }: PackagesEndpointProps) {
    super(scope, "packages");
    const { region } = deployment;
    this.endpoint = new VpcEndpoint(this, "s3", {
      vpcId,
      serviceName: `com.amazonaws.${region}.s3`,
      vpcEndpointType: "Gateway",
      routeTableIds: [routeTableId],
      policy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Sid: READ,
            Effect: "Allow",
            Principal: "*",
            Action: PUBLIC_STATEMENTS[READ].actions,
            Resource: buckets(region).map((bucket) => `arn:aws:s3:::${bucket}/*`),
          },
        ],
      }),
      tags: { Name: `${networkName(deployment)}-s3` },
    });
  }
}

/**
 * Amazon's buckets of a region: Amazon Linux 2023's repositories (AL2023, "Amazon Linux repositories"; the suffix is the same in
 * every region), Systems Manager's agent and the modules of its documents (Systems Manager, "SSM Agent communications with AWS managed S3
 * buckets"). Patch Manager's are not among them: a new image brings the updates.
 */
function buckets(region: string): string[] {
  return [`al2023-repos-${region}-de612dc2`, `amazon-ssm-${region}`, `aws-ssm-${region}`];
}
