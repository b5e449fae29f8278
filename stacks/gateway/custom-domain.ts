import { AcmCertificate } from "@cdktf/provider-aws/lib/acm-certificate/index.js";
import { AcmCertificateValidation } from "@cdktf/provider-aws/lib/acm-certificate-validation/index.js";
import { ApiGatewayBasePathMapping } from "@cdktf/provider-aws/lib/api-gateway-base-path-mapping/index.js";
import { ApiGatewayDomainName } from "@cdktf/provider-aws/lib/api-gateway-domain-name/index.js";
import { DataAwsRoute53Zone } from "@cdktf/provider-aws/lib/data-aws-route53-zone/index.js";
import { Route53Record } from "@cdktf/provider-aws/lib/route53-record/index.js";
import { Route53Zone } from "@cdktf/provider-aws/lib/route53-zone/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { ipAddressType } from "./ip-addresses.ts";
import type { PublishedStage } from "./published-stage.ts";
import type { RestApi } from "./rest-api.ts";

interface CustomDomainProps {
  readonly deployment: DeploymentConfig;
  readonly domain: NonNullable<DeploymentConfig["gateway"]["domain"]>;
  readonly api: RestApi;
  readonly stage: PublishedStage;
}

/** How long resolvers keep the record that proves the domain to ACM, in seconds. */
const VALIDATION_TTL_SECONDS = 300;

/** The gateway's own host name: its certificate, its records, and the stage behind all of its paths. */
export class CustomDomain extends Construct {
  /** What producers use, without a stage: `https://<domain>`. Known once the domain leads to the stage. */
  readonly url: string;
  /** Of the zone, when it is made here: what its parent has to point to. */
  readonly nameServers: string[] | undefined;

  constructor(scope: Construct, { deployment, domain, api, stage }: CustomDomainProps) {
    super(scope, "domain");
    const made = domain.createZone
      ? new Route53Zone(this, "zone", {
          name: domain.zone,
          comment: `Made by the deployment ${deployment.name} of the FIFO gateway`,
        })
      : undefined;
    const { zoneId } = made ?? new DataAwsRoute53Zone(this, "zone", { name: domain.zone, privateZone: false });

    const type = ipAddressType(deployment.gateway.allowedSources);
    const name = new ApiGatewayDomainName(this, "name", {
      domainName: domain.name,
      regionalCertificateArn: this.certificate(domain.name, zoneId),
      securityPolicy: "TLS_1_2",
      endpointConfiguration: { types: ["REGIONAL"], ipAddressType: type },
    });
    // No base path: the domain as a whole is the stage.
    const mapping = new ApiGatewayBasePathMapping(this, "mapping", {
      domainName: name.domainName,
      apiId: api.id,
      stageName: stage.name,
    });
    for (const recordType of type === "dualstack" ? ["A", "AAAA"] : ["A"]) {
      new Route53Record(this, `record-${recordType.toLowerCase()}`, {
        zoneId,
        name: domain.name,
        type: recordType,
        // An alias, which may stand at a zone's apex as well, where no CNAME may. There is no second target that the health of
        // this one could lead to. A record that somebody else made is not overwritten: that is an error of the apply.
        alias: { name: name.regionalDomainName, zoneId: name.regionalZoneId, evaluateTargetHealth: false },
      });
    }
    this.url = `https://${mapping.domainName}`;
    this.nameServers = made?.nameServers;
  }

  /**
   * A certificate for one name, and the record that proves it to ACM, which ACM also renews it by.
   *
   * A certificate that has to be replaced is made, proved and put into the domain's place before the old one goes. Its record stays
   * in its place meanwhile: ACM asks for the same one for every certificate of a name in an account ("DNS validation"). For that
   * reason it is taken over, too, when another certificate of the name has brought it already, in another region for example.
   *
   * @returns the certificate's ARN, known once it is issued
   */
  private certificate(domainName: string, zoneId: string): string {
    const certificate = new AcmCertificate(this, "certificate", {
      domainName,
      validationMethod: "DNS",
      lifecycle: { createBeforeDestroy: true },
    });
    // A set of exactly one, since there is one name. `for_each` over it would need to know its texts at plan time.
    const proof = certificate.domainValidationOptions.get(0);
    const record = new Route53Record(this, "certificate-record", {
      zoneId,
      name: proof.resourceRecordName,
      type: proof.resourceRecordType,
      records: [proof.resourceRecordValue],
      ttl: VALIDATION_TTL_SECONDS,
      allowOverwrite: true,
    });
    return new AcmCertificateValidation(this, "certificate-issued", {
      certificateArn: certificate.arn,
      validationRecordFqdns: [record.fqdn],
    }).certificateArn;
  }
}
