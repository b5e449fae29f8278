import assert from "node:assert/strict";
import { test } from "node:test";
import { reviewMarkdown } from "../sdk/ops/src/plan/markdown.ts";
import { readPlans } from "../sdk/ops/src/plan/read-plan.ts";
import { reviewPlans } from "../sdk/ops/src/plan/review.ts";
import { reviewText } from "../sdk/ops/src/plan/text.ts";
import { readFixture } from "./plans/fixtures.ts";
import { scenarios } from "./plans/scenarios/index.ts";

/** Types and attributes that hold secrets in these plans: API keys, a token in the backend's URL, user data. */
const SECRETS: readonly (readonly [type: string, attribute: string])[] = [
  ["aws_api_gateway_api_key", "value"],
  ["aws_api_gateway_usage_plan_key", "value"],
  ["aws_instance", "user_data_base64"],
];

interface ChangeDocument {
  readonly type: string;
  readonly change: { readonly before: Record<string, unknown> | null; readonly after: Record<string, unknown> | null };
}

test("no review tells a secret of its plans, whatever it is printed as", () => {
  let secrets = 0;
  for (const { name } of scenarios) {
    const plans = readFixture(name);
    const found = plans
      .trim()
      .split("\n")
      .flatMap((plan): ChangeDocument[] => JSON.parse(plan).resource_changes ?? [])
      .flatMap(({ type, change }) =>
        SECRETS.filter(([of]) => of === type).flatMap(([, attribute]) => [
          change.before?.[attribute],
          change.after?.[attribute],
        ]),
      )
      .filter((value) => typeof value === "string" && value !== "");
    secrets += found.length;
    const review = reviewPlans(readPlans([{ source: "plan.json", text: plans }]));
    for (const printed of [reviewText(review), reviewMarkdown(review), JSON.stringify(review)]) {
      for (const secret of found) assert.ok(!printed.includes(String(secret)), `${name} tells a secret`);
      assert.doesNotMatch(printed, /not-to-be-shown/, `${name} tells the backend's token`);
    }
  }
  assert.ok(secrets > 100, `the plans hold secrets: ${secrets}`);
});
