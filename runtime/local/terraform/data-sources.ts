import { TerraformError } from "./error.ts";
import { type Attribute, arn, type Computed, ec2Id, globalArn } from "./resource-type.ts";

const zoneId: Attribute = ({ identity }) => `Z${identity.toUpperCase()}`;

/** Any image will do, since nothing here starts a machine; what another parameter holds is known to its account alone. */
const parameterValue: Attribute = (subject) => {
  const name = subject.text("name");
  if (/^\/aws\/service\/(?:[^/]+\/)*(?:ami-[^/]+|image_id)(?:\/|$)/.test(name)) return ec2Id("ami")(subject);
  throw new TerraformError("unknown-reference", `local mode does not know what the parameter ${name} holds`);
};

/** What each data source says besides its own arguments. `terraform_remote_state` is read by the reader itself. */
export const DATA_SOURCES: Readonly<Record<string, Computed>> = {
  aws_caller_identity: {
    id: ({ place }) => place.accountId,
    account_id: ({ place }) => place.accountId,
    arn: ({ place }) => `arn:${place.partition}:iam::${place.accountId}:root`,
  },
  aws_region: {
    id: ({ place }) => place.region,
    region: ({ place }) => place.region,
    name: ({ place }) => place.region,
  },
  aws_partition: {
    id: ({ place }) => place.partition,
    partition: ({ place }) => place.partition,
    dns_suffix: () => "amazonaws.com",
  },
  aws_ssm_parameter: {
    id: (subject) => subject.text("name"),
    arn: arn("ssm", (subject) => `parameter${subject.text("name")}`),
    type: () => "String",
    value: parameterValue,
    insecure_value: parameterValue,
  },
  aws_route53_zone: {
    id: zoneId,
    zone_id: zoneId,
    arn: globalArn("route53", (subject) => `hostedzone/${zoneId(subject)}`, "nobody"),
  },
  aws_ec2_managed_prefix_list: {
    id: ec2Id("pl"),
    arn: arn("ec2", (subject) => `prefix-list/${ec2Id("pl")(subject)}`),
    owner_id: () => "AWS",
  },
};
