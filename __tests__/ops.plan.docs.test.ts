import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readPlans } from "../sdk/ops/src/plan/read-plan.ts";
import { reviewPlans } from "../sdk/ops/src/plan/review.ts";
import { rules } from "../sdk/ops/src/plan/rules/index.ts";
import { reviewText } from "../sdk/ops/src/plan/text.ts";
import { projectRoot } from "./helpers/emitted.ts";
import { readFixture } from "./plans/fixtures.ts";
import { scenarios } from "./plans/scenarios/index.ts";

/** Of a block of code on a page, in characters. */
const WIDTH = 110;

const page = readFileSync(join(projectRoot, "docs/plan-review.md"), "utf8");

describe("docs/plan-review.md", () => {
  for (const name of ["everyday-change", "queue-removed-everywhere"])
    test(`shows what a review of ${name} prints`, () => {
      const shown = new RegExp(`<!-- ${name} -->\n\`\`\`\n([^]*?)\`\`\``).exec(page)?.[1];
      const review = reviewPlans(readPlans([{ source: "plans", text: readFixture(name) }]));
      assert.equal(shown, reviewText(review, { failOn: "high", width: WIDTH }));
    });

  test("lists each rule once, with the severities that its real plans have", () => {
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \| ([^|]+) \| /gm)].map(([, id = "", severity = ""]) => ({
      id,
      severity,
    }));
    const ids = [...new Set([...rules.map(({ id }) => id), "plan-unfinished"])];
    assert.deepEqual(rows.map(({ id }) => id).toSorted(), ids.toSorted());
    for (const { id, severity } of rows)
      for (const { name, rules: named } of scenarios)
        if (named[id] !== undefined)
          assert.match(severity, new RegExp(`\\b${named[id]}\\b`), `${id}, as ${name} has it`);
  });
});
