import { IamRole } from "@cdktf/provider-aws/lib/iam-role/index.js";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy/index.js";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment/index.js";
import { Lazy } from "cdktf";
import { Construct } from "constructs";
import { MANAGED_POLICIES, type ManagedPolicy, WILDCARD_STATEMENTS, type WildcardStatement } from "./wildcards.ts";

interface Statement {
  readonly sid: string;
  readonly actions: readonly string[];
  readonly resources: string[];
}

/**
 * A role of one AWS service. What it may do is collected from the resources that grant it (`queue.grantConsume(role)`),
 * so that a permission stands beside the resource it opens and always names its ARN.
 */
export class ServiceRole extends Construct {
  readonly arn: string;
  /** The name in IAM. */
  readonly name: string;
  private readonly statements: Statement[] = [];
  private readonly role: IamRole;
  private inline: IamRolePolicy | undefined;

  /**
   * @param props.name the role's name in IAM
   * @param props.service who assumes it, e.g. `lambda.amazonaws.com`
   */
  constructor(scope: Construct, id: string, props: { readonly name: string; readonly service: string }) {
    super(scope, id);
    const role = new IamRole(this, "role", {
      name: props.name,
      assumeRolePolicy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: { Service: props.service }, Action: "sts:AssumeRole" }],
      }),
    });
    this.arn = role.arn;
    this.name = props.name;
    this.role = role;
  }

  /** To be depended on by what needs the permissions, and not only the role. */
  get policy(): IamRolePolicy {
    this.inline ??= this.newPolicy();
    return this.inline;
  }

  /**
   * Allows actions on resources. Statements of the same `sid` and actions become one, and each resource is named once.
   *
   * @param sid names the statement in the policy, letters and digits (IAM), e.g. `SendMessages`
   * @param actions full action names, no wildcard
   * @param resources ARNs
   * @throws Error when the `sid` stands for other actions already
   */
  allow(sid: string, actions: readonly string[], resources: readonly string[]): void {
    this.inline ??= this.newPolicy();
    const known = this.statements.find((statement) => statement.sid === sid);
    if (known === undefined) this.statements.push({ sid, actions, resources: [...resources] });
    else if (known.actions.join() === actions.join())
      known.resources.push(...resources.filter((arn) => !known.resources.includes(arn)));
    else throw new Error(`statement ${sid} allows ${known.actions.join(", ")} already, and not ${actions.join(", ")}`);
  }

  /** Allows what AWS limits to no resource: a row of the table of such statements. */
  allowUnscoped(sid: WildcardStatement): void {
    this.allow(sid, WILDCARD_STATEMENTS[sid].actions, ["*"]);
  }

  /**
   * Attaches a policy of AWS's own: a row of the table of such policies.
   *
   * @returns to be depended on by what needs its permissions
   */
  attach(policy: ManagedPolicy): IamRolePolicyAttachment {
    return new IamRolePolicyAttachment(this, policy, {
      role: this.role.name,
      policyArn: MANAGED_POLICIES[policy].arn,
    });
  }

  /** Terraform's reference to the name, for what has to come after the role. */
  get nameReference(): string {
    return this.role.name;
  }

  /**
   * What the role may do with one service, as a policy's statements. All has to be allowed by then.
   *
   * @param service what its actions begin with, e.g. `sqs`
   */
  statementsFor(service: string): object[] {
    return this.statements
      .filter(({ actions }) => actions.some((action) => action.startsWith(`${service}:`)))
      .map(emitted);
  }

  /** Made once something is allowed: IAM takes no policy without a statement. */
  private newPolicy(): IamRolePolicy {
    return new IamRolePolicy(this, "policy", {
      name: "permissions",
      role: this.role.name,
      policy: Lazy.stringValue({ produce: () => this.document() }),
    });
  }

  private document(): string {
    return JSON.stringify({ Version: "2012-10-17", Statement: this.statements.map(emitted) });
  }
}

function emitted({ sid, actions, resources }: Statement): object {
  return { Sid: sid, Effect: "Allow", Action: actions, Resource: resources };
}
