import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

// node __tests__/acceptance/for-moto.ts FROM TO DEPLOYMENT: copies what was emitted, and takes out of the deployment's copy what moto 5.2.5 cannot do, so
// that the rest can be applied to it. What was emitted is validated as it stands before.

/** What is taken out of every resource of some types: an argument, or without one the whole resource, which nothing refers to. */
interface Lack {
  readonly types: RegExp;
  readonly argument?: string;
  readonly reason: string;
}

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

const [from, to, deployment] = process.argv.slice(2);
if (from === undefined || to === undefined || deployment === undefined) {
  console.error("usage: for-moto.ts FROM TO DEPLOYMENT, e.g. for-moto.ts cdktf.out /tmp/for-moto prod");
  process.exit(2);
}

const workspace = z.object({ workspaces: z.object({ name: z.string() }) });
const documentSchema = z.looseObject({
  terraform: z.looseObject({ cloud: workspace.optional() }),
  resource: z.record(z.string(), z.record(z.string(), z.looseObject({}))),
  data: z
    .looseObject({
      terraform_remote_state: z
        .record(z.string(), z.looseObject({ backend: z.string(), config: z.looseObject({}) }))
        .optional(),
    })
    .optional(),
});
type Document = z.output<typeof documentSchema>;

cpSync(from, to, { recursive: true });
for (const stack of readdirSync(join(from, "stacks")).filter((name) => name.startsWith(`${deployment}-`))) {
  const path = join(to, "stacks", stack, "cdk.tf.json");
  const document = documentSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  keepStateInFiles(stack, document);
  for (const lack of LACKS) takeOut(stack, document, lack);
  writeFileSync(path, JSON.stringify(document, null, 2));
}

/** Nothing reaches Terraform Cloud from here: what it would keep is kept in a file, as of a deployment without it. */
function keepStateInFiles(stack: string, { terraform, data }: Document): void {
  if (terraform.cloud === undefined) return;
  console.log(`${stack}: its state is in a file, not in the workspace ${terraform.cloud.workspaces.name}`);
  delete terraform.cloud;
  terraform.backend = { local: { path: stateFile(stack) } };
  for (const [sibling, remote] of Object.entries(data?.terraform_remote_state ?? {})) {
    remote.backend = "local";
    remote.config = { path: stateFile(sibling) };
  }
}

function stateFile(stack: string): string {
  return `../../../${stack}.tfstate`;
}

function takeOut(stack: string, { resource }: Document, { types, argument, reason }: Lack): void {
  for (const [type, named] of Object.entries(resource).filter(([name]) => types.test(name))) {
    console.log(`${stack}: without ${argument === undefined ? type : `${argument} of ${type}`}: ${reason}`);
    if (argument === undefined) delete resource[type];
    else for (const values of Object.values(named)) delete values[argument];
  }
}
