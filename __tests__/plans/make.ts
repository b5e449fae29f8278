/**
 * Makes the plans in `fixtures/` anew, with the real Terraform and the real provider: applies a deployment to moto, then plans each
 * scenario of it.
 *
 * node __tests__/plans/make.ts DEPLOYMENT ENDPOINT WORK [SCENARIO...]
 *   DEPLOYMENT  dev or prod
 *   ENDPOINT    where moto_server answers, of the deployment's own; MOTO_IAM_LOAD_MANAGED_POLICIES=true
 *   WORK        a folder for states and emitted stacks; what it has is taken as applied
 *   SCENARIO    its name; all without one
 *
 * TF_PLUGIN_MIRROR is the folder of a filesystem mirror that has the provider.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { applyBase } from "./base.ts";
import { DEPLOYMENTS, type DeploymentName } from "./deployments.ts";
import { writeFixture } from "./fixtures.ts";
import { makePlans } from "./make-plans.ts";
import { scenarios } from "./scenarios/index.ts";
import { keepStates } from "./states.ts";
import { findTerraform } from "./terraform.ts";

const [deployment, endpoint, work, ...names] = process.argv.slice(2);
if (!isDeployment(deployment) || endpoint === undefined || work === undefined) {
  console.error("usage: make.ts DEPLOYMENT ENDPOINT WORK [SCENARIO...]");
  process.exit(2);
}
const terraform = await findTerraform(work, endpoint, [process.env["TF_PLUGIN_MIRROR"] ?? ""]);
if (terraform === undefined) {
  console.log("SKIPPED, no plan was made: no terraform on PATH, or no AWS provider in TF_PLUGIN_MIRROR");
  process.exit(3);
}
const own = scenarios.filter((scenario) => scenario.deployment === deployment);
if (!existsSync(join(work, `${deployment}-messaging.tfstate`))) {
  const first = await applyBase(terraform, deployment);
  for (const { name } of own.filter(({ isFirst }) => isFirst)) writeFixture(name, first);
}
keepStates(work);

const plannable = own.filter(({ isFirst }) => isFirst === undefined);
const chosen = names.length === 0 ? plannable : plannable.filter(({ name }) => names.includes(name));
let failed = 0;
for (const [at, scenario] of chosen.entries()) {
  try {
    writeFixture(scenario.name, await makePlans(terraform, scenario));
    console.log(`${at + 1}/${chosen.length} ${scenario.name}`);
  } catch (error) {
    failed += 1;
    console.log(
      `${at + 1}/${chosen.length} ${scenario.name} FAILED: ${error instanceof Error ? error.message : error}`,
    );
  }
}
console.log(`${chosen.length - failed} plans made, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function isDeployment(name: string | undefined): name is DeploymentName {
  return name !== undefined && name in DEPLOYMENTS;
}
