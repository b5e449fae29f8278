import { z } from "zod";
import type { Document } from "./document.ts";
import { TerraformError } from "./error.ts";

/** Terraform's own default (Terraform language, "Configure HCP Terraform settings": `hostname`). */
const hostname = z.string().default("app.terraform.io");

const localSchema = z.object({ path: z.string() });
/** A workspace by its name; one that is chosen by tags or by a prefix is known at run time only. */
const workspaceSchema = z.object({
  organization: z.string(),
  hostname,
  workspaces: z.strictObject({ name: z.string(), project: z.string().optional() }),
});

const readSchema = z.discriminatedUnion("backend", [
  z.object({ backend: z.literal("local"), config: localSchema }),
  z.object({ backend: z.literal("remote"), config: workspaceSchema }),
]);

/**
 * Where a stack keeps its state.
 *
 * @returns a text that is the same for the same state; undefined for a backend that local mode does not follow
 */
export function stateKept(document: Document): string | undefined {
  const file = localSchema.safeParse(document.terraform?.backend?.["local"]);
  if (file.success) return inFile(file.data);
  const cloud = workspaceSchema.safeParse(document.terraform?.cloud);
  return cloud.success ? inWorkspace(cloud.data) : undefined;
}

/**
 * Which state a `terraform_remote_state` reads, in the words of {@link stateKept}.
 *
 * @param address of the data source, for the error
 * @throws TerraformError `unknown-argument` for another backend, or a workspace that is not given by its name
 */
export function stateRead(address: string, body: Readonly<Record<string, unknown>>): string {
  const source = readSchema.safeParse(body);
  if (!source.success) {
    throw new TerraformError(
      "unknown-argument",
      `${address}: local mode follows the backend local by its path, and remote by a workspace's name`,
    );
  }
  const { backend, config } = source.data;
  return backend === "local" ? inFile(config) : inWorkspace(config);
}

const inFile = ({ path }: z.output<typeof localSchema>) => `the file ${path}`;

const inWorkspace = ({ hostname: host, organization, workspaces }: z.output<typeof workspaceSchema>) =>
  `the workspace ${workspaces.name} of ${organization} at ${host}`;
