import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readPlans } from "../sdk/ops/src/plan/read-plan.ts";
import { type Review, reviewPlans } from "../sdk/ops/src/plan/review.ts";
import { SEVERITIES, type Severity } from "../sdk/ops/src/plan/risk.ts";
import { rules } from "../sdk/ops/src/plan/rules/index.ts";
import { UNSCOPED_ACTIONS } from "../sdk/ops/src/plan/rules/policies.ts";
import { WILDCARD_STATEMENTS } from "../stacks/wildcards.ts";
import { findingsOf, keptFindings } from "./plans/findings.ts";
import { readFixture } from "./plans/fixtures.ts";
import { scenarios } from "./plans/scenarios/index.ts";

const reviewOf = (name: string) => reviewPlans(readPlans([{ source: "plan.json", text: readFixture(name) }]));

/** The rules that a review names, with the worst severity of each. */
function worst({ risks }: Review): Record<string, Severity> {
  const found: Record<string, Severity> = {};
  for (const severity of SEVERITIES.toReversed())
    for (const risk of risks.filter((one) => one.severity === severity)) found[risk.rule] = severity;
  return found;
}

describe("a review of a real plan", () => {
  for (const { name, how, rules: expected, nearMissOf = [], notJudged = [] } of scenarios) {
    test(`${name}: ${how}`, () => {
      const review = reviewOf(name);
      assert.deepEqual(worst(review), { ...expected });
      assert.deepEqual([...new Set(review.notJudged.map(({ rule }) => rule))].toSorted(), [...notJudged].toSorted());
      for (const rule of nearMissOf)
        assert.ok(!(rule in expected), `${name} cannot be a near miss of ${rule}, which it names`);
      for (const risk of review.risks)
        for (const text of [risk.what, risk.reason, risk.lost, risk.instead])
          assert.doesNotMatch(text, /undefined|null|\[object|^$/, `${risk.rule} says it in words`);
    });
  }
});

test("says of each real plan what it said when somebody last looked at it", () => {
  const kept = keptFindings();
  for (const { name } of scenarios) assert.deepEqual(findingsOf(name), kept[name], name);
  assert.deepEqual(Object.keys(kept).toSorted(), scenarios.map(({ name }) => name).toSorted());
});

describe("the rules", () => {
  const ids = [...new Set([...rules.map(({ id }) => id), "plan-unfinished"])];

  for (const id of ids)
    test(`${id} has a real plan that it names, and one that comes close`, () => {
      assert.ok(
        scenarios.some(({ rules: named }) => id in named),
        "it is named once",
      );
      assert.ok(
        scenarios.some(({ nearMissOf = [] }) => nearMissOf.includes(id)),
        "there is a near miss",
      );
    });

  test("are the only ones that scenarios name", () => {
    const named = scenarios.flatMap(({ rules: some, nearMissOf = [], notJudged = [] }) => [
      ...Object.keys(some),
      ...nearMissOf,
      ...notJudged,
    ]);
    assert.deepEqual(
      [...new Set(named)].filter((id) => !ids.includes(id)),
      [],
    );
  });

  test("are written as a plan of their own each", () => {
    const names = scenarios.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });
});

test("what the stacks allow on every resource since AWS leaves no choice is no wildcard that a reviewer has to hear of", () => {
  const allowed = Object.values(WILDCARD_STATEMENTS).flatMap(({ actions }) => [...actions]);
  assert.deepEqual(
    allowed.filter((action) => !UNSCOPED_ACTIONS.has(action)),
    [],
  );
});
