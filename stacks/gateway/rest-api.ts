import { ApiGatewayModel } from "@cdktf/provider-aws/lib/api-gateway-model/index.js";
import { ApiGatewayRequestValidator } from "@cdktf/provider-aws/lib/api-gateway-request-validator/index.js";
import { ApiGatewayRestApi } from "@cdktf/provider-aws/lib/api-gateway-rest-api/index.js";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { gatewayName } from "../names.ts";
import { ServiceRole } from "../role.ts";
import { terraformText } from "../terraform-text.ts";
import { ipAddressType } from "./ip-addresses.ts";
import { sendBatchModel, sendMessageModel } from "./models.ts";

/** What Terraform calls a gateway that compresses nothing (`aws_api_gateway_rest_api`, `minimum_compression_size`). */
const NO_COMPRESSION = -1;

/** The REST API itself, with what its routes share: the role that reaches the queues, the models and their validator. */
export class RestApi extends Construct {
  readonly id: string;
  readonly rootResourceId: string;
  /** The API's ARN for those who call it. */
  readonly executionArn: string;
  /** The account that the API and its queues belong to. */
  readonly accountId: string;
  /** What the API may do with the queues. */
  readonly role: ServiceRole;
  readonly validatorId: string;
  readonly models: { readonly sendMessage: string; readonly sendBatch: string };

  constructor(scope: Construct, deployment: DeploymentConfig) {
    super(scope, "api");
    const { allowedSources, domain, minimumCompressionBytes } = deployment.gateway;
    const api = new ApiGatewayRestApi(this, "rest", {
      name: gatewayName(deployment),
      description: `Puts producers' messages into ${deployment.name}'s FIFO queues`,
      endpointConfiguration: { types: ["REGIONAL"], ipAddressType: ipAddressType(allowedSources) },
      // Both are said where they are off, too: the provider takes a missing one for "as it is", and neither could be undone.
      disableExecuteApiEndpoint: domain !== undefined && !domain.keepAwsAddress,
      minimumCompressionSize: String(minimumCompressionBytes ?? NO_COMPRESSION),
    });
    this.id = api.id;
    this.executionArn = api.executionArn;
    this.rootResourceId = api.rootResourceId;
    this.accountId = new DataAwsCallerIdentity(this, "account", {}).accountId;
    this.role = new ServiceRole(this, "send", {
      name: `${deployment.name}-gateway-send`,
      service: "apigateway.amazonaws.com",
    });
    this.validatorId = new ApiGatewayRequestValidator(this, "body", {
      restApiId: api.id,
      name: "body",
      validateRequestBody: true,
      validateRequestParameters: false,
    }).id;
    this.models = {
      sendMessage: this.model("SendMessage", sendMessageModel),
      sendBatch: this.model("SendBatch", sendBatchModel),
    };
  }

  private model(name: string, schema: object): string {
    return new ApiGatewayModel(this, name, {
      restApiId: this.id,
      name,
      contentType: "application/json",
      schema: terraformText(JSON.stringify(schema)),
    }).name;
  }
}
