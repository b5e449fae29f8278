import { arn, type Computed, ec2Id, type ResourceTypes, type Subject } from "../resource-type.ts";
import { LOGS_ARE_FILES, ONE_ADDRESS, OWN_PROCESS } from "./reasons.ts";

/** What almost everything in EC2 has: an id with a prefix, and an ARN with the resource's kind. */
const inEc2 = (kind: string, prefix: string): Computed => ({
  id: ec2Id(prefix),
  arn: arn("ec2", (subject) => `${kind}/${ec2Id(prefix)(subject)}`),
});

/** The same of what also says whose it is. */
const owned = (kind: string, prefix: string): Computed => ({
  ...inEc2(kind, prefix),
  owner_id: ({ place }) => place.accountId,
});

const securityGroupRule = { ...inEc2("security-group-rule", "sgr"), security_group_rule_id: ec2Id("sgr") };

/** An endpoint's name, by the service that it leads to: `com.amazonaws.<region>.<service>`. */
const endpointName = (subject: Subject) =>
  `${ec2Id("vpce")(subject)}.${subject.text("service_name").split(".").at(-1)}.${subject.place.region}.vpce.amazonaws.com`;

const thisMachine = () => "127.0.0.1";

/** The network of the response server and of the function, and the response server's machine. */
export const NETWORK_TYPES: ResourceTypes = {
  aws_vpc: {
    computed: {
      ...owned("vpc", "vpc"),
      default_security_group_id: ec2Id("sg"),
      default_network_acl_id: ec2Id("acl"),
      default_route_table_id: ec2Id("rtb"),
      main_route_table_id: ec2Id("rtb"),
    },
    ignoredBecause: ONE_ADDRESS,
  },
  aws_subnet: { computed: owned("subnet", "subnet"), ignoredBecause: ONE_ADDRESS },
  aws_internet_gateway: { computed: owned("internet-gateway", "igw"), ignoredBecause: ONE_ADDRESS },
  aws_route_table: { computed: owned("route-table", "rtb"), ignoredBecause: ONE_ADDRESS },
  aws_route: { computed: { id: ec2Id("r-rtb") }, ignoredBecause: ONE_ADDRESS },
  aws_route_table_association: { computed: { id: ec2Id("rtbassoc") }, ignoredBecause: ONE_ADDRESS },
  aws_security_group: { computed: owned("security-group", "sg"), ignoredBecause: ONE_ADDRESS },
  aws_default_security_group: { computed: owned("security-group", "sg"), ignoredBecause: ONE_ADDRESS },
  aws_vpc_security_group_ingress_rule: { computed: securityGroupRule, ignoredBecause: ONE_ADDRESS },
  aws_vpc_security_group_egress_rule: { computed: securityGroupRule, ignoredBecause: ONE_ADDRESS },
  aws_vpc_endpoint: {
    computed: {
      ...owned("vpc-endpoint", "vpce"),
      state: () => "available",
      prefix_list_id: ec2Id("pl"),
      cidr_blocks: () => [],
      network_interface_ids: (subject) => [ec2Id("eni")(subject)],
      dns_entry: (subject) => [
        { dns_name: endpointName(subject), hosted_zone_id: `Z${subject.identity.toUpperCase()}` },
      ],
    },
    ignoredBecause: ONE_ADDRESS,
  },
  aws_flow_log: { computed: inEc2("vpc-flow-log", "fl"), ignoredBecause: LOGS_ARE_FILES },

  aws_instance: {
    computed: {
      ...inEc2("instance", "i"),
      instance_state: () => "running",
      availability_zone: ({ place }) => `${place.region}a`,
      primary_network_interface_id: ec2Id("eni"),
      private_ip: thisMachine,
      private_dns: () => "localhost",
      public_ip: thisMachine,
      public_dns: () => "localhost",
    },
    ignoredBecause: OWN_PROCESS,
  },
};
