/**
 * Keeps what the review of each fixture says, one line a finding, in `findings.json`: a change of a rule then shows in a diff what it changes.
 *
 * node __tests__/plans/findings.ts
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readPlans } from "../../sdk/ops/src/plan/read-plan.ts";
import { reviewPlans } from "../../sdk/ops/src/plan/review.ts";
import { readFixture } from "./fixtures.ts";
import { scenarios } from "./scenarios/index.ts";

const file = join(import.meta.dirname, "findings.json");

/** What the review of a fixture says. */
export function findingsOf(name: string): string[] {
  const { risks, notJudged, hops } = reviewPlans(readPlans([{ source: "plan.json", text: readFixture(name) }]));
  return [
    hops.map(({ hop, changes }) => `${hop} ${changes.length}`).join(", "),
    ...risks.map(({ severity, rule, address, what, reason }) => `${severity} ${rule}: ${address}: ${what}; ${reason}`),
    ...notJudged.map(({ rule, address, unknown }) => `not judged ${rule}: ${address}: ${unknown}`),
  ];
}

/** What it said when it was last looked at. */
export function keptFindings(): Readonly<Record<string, readonly string[]>> {
  return z.record(z.string(), z.array(z.string())).parse(JSON.parse(readFileSync(file, "utf8")));
}

if (import.meta.main) {
  const found = Object.fromEntries(scenarios.map(({ name }) => [name, findingsOf(name)]));
  writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`);
}
