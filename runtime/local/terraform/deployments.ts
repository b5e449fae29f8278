import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TerraformError } from "./error.ts";

/** A deployment's stacks, `<deployment>-<kind>`; not every deployment has operations. */
const STACK_NAME = /^(?<deployment>.+)-(?:messaging|delivery|gateway|operations)$/;
/** Which one runs when none is named and there are several. */
const PREFERRED = "dev";

/** A deployment as its folders show it. */
export interface FoundDeployment {
  readonly name: string;
  /** Names of its stacks, sorted. */
  readonly stacks: readonly string[];
}

/**
 * Finds the deployment to run among the synthesised stacks.
 *
 * @param folder the synthesised folder, e.g. `cdktf.out`
 * @param wanted its name. @default `dev` when there is one, else the only one
 * @throws TerraformError `unreadable-file` when nothing was synthesised; `unknown-deployment`, which lists those that there are
 * @example await findDeployment("cdktf.out", undefined) // { name: "dev", stacks: ["dev-delivery", "dev-gateway", "dev-messaging"] }
 */
export async function findDeployment(folder: string, wanted: string | undefined): Promise<FoundDeployment> {
  const root = join(folder, "stacks");
  const entries = await readdir(root).catch((cause: unknown) => {
    throw new TerraformError("unreadable-file", `no synthesised stacks under ${root}: run npm run synth`, { cause });
  });
  const stacks = Map.groupBy(entries.toSorted(), (entry) => STACK_NAME.exec(entry)?.groups?.["deployment"]);
  const names = [...stacks.keys()].filter((name) => name !== undefined).toSorted();
  if (names.length === 0) {
    throw new TerraformError("unreadable-file", `no deployment's stacks under ${root}: run npm run synth`);
  }
  const name = wanted ?? (names.length === 1 ? names[0] : PREFERRED);
  const found = stacks.get(name);
  if (name !== undefined && found !== undefined) return { name, stacks: found };
  const there = `there ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`;
  throw new TerraformError(
    "unknown-deployment",
    wanted === undefined
      ? `${there}: say which one with --deployment`
      : `there is no deployment ${wanted} under ${root}; ${there}`,
  );
}
