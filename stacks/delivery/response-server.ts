import { DataAwsSsmParameter } from "@cdktf/provider-aws/lib/data-aws-ssm-parameter/index.js";
import { IamInstanceProfile } from "@cdktf/provider-aws/lib/iam-instance-profile/index.js";
import { Instance } from "@cdktf/provider-aws/lib/instance/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import type { EncryptionKey } from "../messaging/encryption-key.ts";
import { responseServerName } from "../names.ts";
import { ServiceRole } from "../role.ts";
import type { Network } from "./network.ts";
import { userData } from "./user-data.ts";

interface ResponseServerProps {
  readonly deployment: DeploymentConfig;
  readonly network: Network;
  /** Encrypts the disk, which has every message on it; without it AWS's own key does. */
  readonly key: EncryptionKey | undefined;
}

/** The newest Amazon Linux 2023 for arm64 with its default kernel (AL2023, "Launching the AL2023 AMI using the SSM parameter"). */
const IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64";

/**
 * The example backend on an instance of its own. Nobody gets in but the consumer, on one port; people use Session Manager.
 *
 * Another user data, i.e. another server or other settings, makes another instance under the same address. What the old one had
 * answered is forgotten with its disk, so it is for moments when no message is under way.
 *
 * A newer image does not: `terraform apply -replace=aws_instance.response-server_instance` takes the newest one, and with it
 * Amazon Linux's updates, which an instance does not install by itself (AL2023, "Deterministic upgrades through versioned repositories").
 */
export class ResponseServer extends Construct {
  readonly instanceId: string;
  /** Its address in the network, the same for every instance. */
  readonly privateAddress: string;

  constructor(scope: Construct, { deployment, network, key }: ResponseServerProps) {
    super(scope, "response-server");
    const name = responseServerName(deployment);
    const { instanceType, diskGibibytes, timeZone, hostName } = deployment.responseServer;

    const role = new ServiceRole(this, "access", { name, service: "ec2.amazonaws.com" });
    role.allowUnscoped("UseSessionManager");
    const profile = new IamInstanceProfile(this, "profile", { name, role: role.nameReference });

    const instance = new Instance(this, "instance", {
      ami: new DataAwsSsmParameter(this, "image", { name: IMAGE_PARAMETER }).insecureValue,
      instanceType,
      iamInstanceProfile: profile.name,
      subnetId: network.publicSubnetId,
      privateIp: network.instanceAddress,
      vpcSecurityGroupIds: [network.groups.instance],
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
      rootBlockDevice: {
        volumeType: "gp3",
        volumeSize: diskGibibytes,
        encrypted: true,
        ...(key === undefined ? {} : { kmsKeyId: key.arn }),
      },
      ebsOptimized: true,
      monitoring: false,
      userDataBase64: userData({ timeZone, hostName: hostName ?? name }),
      userDataReplaceOnChange: true,
      tags: { Name: name },
      // Amazon publishes a new image every two weeks or so, which is no reason to lose the instance in whatever apply comes next.
      lifecycle: { ignoreChanges: ["ami"] },
      // Its first start installs packages, and is the only one that does.
      dependsOn: [...network.instanceNeeds, role.policy],
    });
    this.instanceId = instance.id;
    this.privateAddress = instance.privateIp;
  }
}
