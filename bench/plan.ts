import { readFixture } from "../__tests__/plans/fixtures.ts";
import { readPlans } from "../sdk/ops/src/plan/read-plan.ts";
import { reviewPlans } from "../sdk/ops/src/plan/review.ts";
import { compare } from "./compare.ts";

// What a review costs above reading the JSON at all: three stacks' plans at once, and a plan that destroys two thousand resources.

const everywhere = readFixture("queue-removed-everywhere");

await compare({
  name: `review of three plans, ${(everywhere.length / 1_024).toFixed(0)} KiB`,
  peer: "JSON.parse of them",
  rounds: 20,
  target: "peer / ours >= 0.05",
  ours: () => void reviewPlans(readPlans([{ source: "plans", text: everywhere }])),
  theirs: () =>
    void everywhere
      .trim()
      .split("\n")
      .map((plan) => JSON.parse(plan)),
});

const document = JSON.parse(readFixture("everything-destroyed"));
document.resource_changes = Array.from({ length: 2_000 }, (_, at) => {
  const change = document.resource_changes[at % document.resource_changes.length];
  return { ...change, address: `${change.address}[${at}]` };
});
const large = JSON.stringify(document);

await compare({
  name: `review of 2,000 destroyed resources, ${(large.length / 1_024).toFixed(0)} KiB`,
  peer: "JSON.parse of them",
  rounds: 10,
  target: "peer / ours >= 0.02",
  ours: () => void reviewPlans(readPlans([{ source: "plan", text: large }])),
  theirs: () => void JSON.parse(large),
});
