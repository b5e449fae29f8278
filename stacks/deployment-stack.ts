import { AwsProvider } from "@cdktf/provider-aws/lib/provider/index.js";
import {
  CloudBackend,
  LocalBackend,
  NamedCloudWorkspace,
  ref,
  TerraformOutput,
  type TerraformRemoteState,
  TerraformStack,
} from "cdktf";
import type { Construct, Node } from "constructs";
import type { DeploymentConfig } from "./config.ts";
import { workspaceName } from "./names.ts";

/** What a stack of a deployment has in common with its siblings: name, state, provider, tags, readable addresses. */
export abstract class DeploymentStack extends TerraformStack {
  readonly deployment: DeploymentConfig;
  private readonly shared = new Map<string, TerraformOutput>();
  private readonly siblings = new Map<TerraformStack, TerraformRemoteState>();

  constructor(scope: Construct, part: string, deployment: DeploymentConfig) {
    super(scope, `${deployment.name}-${part}`);
    this.deployment = deployment;
    this.keepState();
    const { accountIds, assumeRole } = deployment.aws;
    new AwsProvider(this, "aws", {
      region: deployment.region,
      ...(accountIds.length === 0 ? {} : { allowedAccountIds: accountIds }),
      ...(assumeRole === undefined
        ? {}
        : {
            assumeRole: [
              {
                roleArn: assumeRole.arn,
                sessionName: `fifo-gateway-${deployment.name}`,
                ...(assumeRole.externalId === undefined ? {} : { externalId: assumeRole.externalId }),
              },
            ],
          }),
      defaultTags: [
        { tags: { ...deployment.tags, Project: "fifo-gateway", Deployment: deployment.name, ManagedBy: "terraform" } },
      ],
    });
  }

  /** In a workspace of Terraform Cloud when one is configured, else in a file beside the project. */
  private keepState(): void {
    const { terraformCloud } = this.deployment;
    const stack = this.node.id;
    if (terraformCloud === undefined) {
      // Relative to the stack's folder: cdktf's default is absolute, which differs from machine to machine.
      new LocalBackend(this, { path: `../../../${stack}.tfstate` });
      return;
    }
    const { organization, hostname, project } = terraformCloud;
    // By name, never by tag: another stack can read the state of a named workspace only.
    const workspaces = new NamedCloudWorkspace(workspaceName(terraformCloud, stack), project);
    new CloudBackend(this, { organization, hostname, workspaces });
  }

  /**
   * Terraform names are the construct's path, `queue-1_dead-letter`: a reviewer of a plan reads them, and the hash that
   * cdktf would add carries nothing. The separator is in no construct id, so two paths never give one name.
   */
  protected override allocateLogicalId(element: Parameters<TerraformStack["getLogicalId"]>[0]): string {
    const node: Node = "node" in element ? (element.node as Node) : element;
    return node.scopes
      .slice(node.scopes.indexOf(this) + 1)
      .map(({ node: { id } }) => id)
      .join("_");
  }

  /**
   * What a sibling stack uses of this one becomes an output, e.g. `queue-1_queue_arn`. cdktf would mark each sensitive, and
   * a reviewer would then see nothing of what is made of it; names, URLs and ARNs are no secrets, and keys are never shared.
   *
   * @param reference Terraform's address of the attribute, e.g. `aws_sqs_queue.queue-1_queue.arn`
   */
  override registerOutgoingCrossStackReference(reference: string): TerraformOutput {
    const known = this.shared.get(reference);
    if (known !== undefined) return known;
    const [, resource, ...attribute] = reference.split(".");
    const output = new TerraformOutput(this, [resource, ...attribute].join("_"), { value: ref(reference, this) });
    this.shared.set(reference, output);
    return output;
  }

  /** A sibling's outputs, under the sibling's name. */
  override registerIncomingCrossStackReference(sibling: TerraformStack): TerraformRemoteState {
    const known = this.siblings.get(sibling);
    if (known !== undefined) return known;
    const name = sibling.node.id;
    const state = sibling.ensureBackendExists().getRemoteStateDataSource(this, name, name);
    this.siblings.set(sibling, state);
    return state;
  }
}
