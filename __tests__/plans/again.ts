/**
 * Plans some scenarios again with the real Terraform and the real provider, from the kept states, and holds their reviews against
 * the fixtures': what the fixtures show is what Terraform makes of the stacks as they are now.
 *
 * node __tests__/plans/again.ts ENDPOINT [SCENARIO...]
 *   ENDPOINT  where moto_server answers: Terraform asks it for the account, and for an image
 *   SCENARIO  its name; one for each stack and kind of change without one, or `all`
 *
 * TF_PLUGIN_MIRROR is the folder of a filesystem mirror that has the provider. Ends with 3 where there is no Terraform or no provider.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPlans } from "../../sdk/ops/src/plan/read-plan.ts";
import { type Review, reviewPlans } from "../../sdk/ops/src/plan/review.ts";
import { readFixture } from "./fixtures.ts";
import { makePlans } from "./make-plans.ts";
import { scenarios } from "./scenarios/index.ts";
import { takeStates } from "./states.ts";
import { findTerraform } from "./terraform.ts";

/** What was done by hand takes an apply, and what ends in an error says no more than that. */
const again = scenarios.filter(({ outside, isFirst }) => outside === undefined && isFirst === undefined);

const SOME = ["queue-removed-everywhere", "route-changed-unpublished", "domain-renamed", "world-let-in"];

const [endpoint, ...names] = process.argv.slice(2);
if (endpoint === undefined) {
  console.error("usage: again.ts ENDPOINT [SCENARIO...]");
  process.exit(2);
}
const work = mkdtempSync(join(tmpdir(), "plans-again-"));
try {
  const terraform = await findTerraform(work, endpoint, [process.env["TF_PLUGIN_MIRROR"] ?? ""]);
  if (terraform === undefined) {
    console.log("SKIPPED, no plan was made again: no terraform on PATH, or no AWS provider in TF_PLUGIN_MIRROR");
    process.exitCode = 3;
  } else {
    takeStates(work);
    const asked = names.length === 0 ? SOME : names;
    const chosen = asked.includes("all") ? again : again.filter(({ name }) => asked.includes(name));
    if (chosen.length === 0) throw new Error(`no scenario is called ${asked.join(" or ")}`);
    let parted = 0;
    for (const scenario of chosen) {
      const kept = reviewOf(readFixture(scenario.name));
      const made = reviewOf((await makePlans(terraform, scenario)).join("\n"));
      try {
        assert.deepEqual(made, kept);
        console.log(`${scenario.name}: reviewed like its fixture`);
      } catch (error) {
        parted += 1;
        console.log(
          `${scenario.name}: NOT REVIEWED LIKE ITS FIXTURE\n${error instanceof Error ? error.message : error}`,
        );
      }
    }
    console.log(`${chosen.length - parted} of ${chosen.length} are reviewed like their fixtures`);
    if (parted > 0) process.exitCode = 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** What a review says of risks and of what it cannot judge. */
function reviewOf(text: string): Pick<Review, "risks" | "notJudged"> {
  const { risks, notJudged } = reviewPlans(readPlans([{ source: "plan.json", text }]));
  return { risks, notJudged };
}
