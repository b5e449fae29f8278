import { awsAt } from "./aws.ts";
import { addForeign } from "./base.ts";
import { DEPLOYMENTS } from "./deployments.ts";
import type { Scenario } from "./scenario.ts";
import { emit, initialise, plan, type Terraform } from "./terraform.ts";

/** Plans a scenario of a deployment whose states are in the working folder. @returns what Terraform prints, one text a stack */
export async function makePlans(at: Terraform, scenario: Scenario): Promise<string[]> {
  const base = DEPLOYMENTS[scenario.deployment];
  const stacks = scenario.parts.map((part) => `${scenario.deployment}-${part}`);
  emit(at, scenario.configure?.(base) ?? base, (stack, document) => {
    addForeign(stack, document);
    if (stacks.includes(stack)) scenario.edit?.(document);
  });
  const aws = awsAt(at.endpoint, base.region);
  await scenario.outside?.act(aws);
  try {
    const plans: string[] = [];
    for (const stack of stacks) {
      await initialise(at, stack);
      // What is applied is in the states already: only what somebody did since has to be asked for.
      const refresh = scenario.outside === undefined ? ["-refresh=false"] : [];
      plans.push(await plan(at, stack, ...refresh, ...(scenario.options ?? [])));
    }
    return plans;
  } finally {
    await scenario.outside?.undo(aws);
  }
}
