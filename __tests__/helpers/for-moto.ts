import { z } from "zod";

/** What is taken out of every resource of some types: an argument, or without one the whole resource, which nothing refers to. */
interface Lack {
  readonly types: RegExp;
  readonly argument?: string;
  readonly reason: string;
}

/** What moto 5.2.5 cannot do. */
const LACKS: readonly Lack[] = [
  {
    types: /^aws_sqs_queue_redrive_allow_policy$/,
    reason: "moto never gives it back, and the provider waits for it",
  },
  {
    types: /^aws_vpc_security_group_(?:egress|ingress)_rule$/,
    argument: "description",
    reason: "moto forgets it where a rule refers to a group or a prefix list",
  },
  {
    types: /^aws_instance$/,
    argument: "vpc_security_group_ids",
    reason: "moto does not give back the groups of an instance with a public address",
  },
];

const workspace = z.object({ workspaces: z.object({ name: z.string() }) });

/** A `cdk.tf.json`, as far as it has to be changed. */
export const documentSchema = z.looseObject({
  terraform: z.looseObject({ cloud: workspace.optional(), required_providers: z.looseObject({}) }),
  provider: z.record(z.string(), z.array(z.looseObject({}))),
  resource: z.record(z.string(), z.record(z.string(), z.looseObject({}))),
  data: z
    .looseObject({
      terraform_remote_state: z
        .record(z.string(), z.looseObject({ backend: z.string(), config: z.looseObject({}) }))
        .optional(),
    })
    .optional(),
});
export type Document = z.output<typeof documentSchema>;

/** Takes out of an emitted stack what moto cannot do, so that the rest can be applied to it. @returns what was changed, and why */
export function adaptForMoto(stack: string, document: Document): string[] {
  return [...keepStateInFiles(stack, document), ...LACKS.flatMap((lack) => takeOut(stack, document, lack))];
}

/** Nothing reaches Terraform Cloud from here: what it would keep is kept in a file, as of a deployment without it. */
function keepStateInFiles(stack: string, { terraform, data }: Document): string[] {
  if (terraform.cloud === undefined) return [];
  const { name } = terraform.cloud.workspaces;
  delete terraform.cloud;
  terraform.backend = { local: { path: stateFile(stack) } };
  for (const [sibling, remote] of Object.entries(data?.terraform_remote_state ?? {})) {
    remote.backend = "local";
    remote.config = { path: stateFile(sibling) };
  }
  return [`${stack}: its state is in a file, not in the workspace ${name}`];
}

function stateFile(stack: string): string {
  return `../../../${stack}.tfstate`;
}

function takeOut(stack: string, { resource }: Document, { types, argument, reason }: Lack): string[] {
  return Object.entries(resource)
    .filter(([type]) => types.test(type))
    .map(([type, named]) => {
      if (argument === undefined) delete resource[type];
      else for (const values of Object.values(named)) delete values[argument];
      return `${stack}: without ${argument === undefined ? type : `${argument} of ${type}`}: ${reason}`;
    });
}
