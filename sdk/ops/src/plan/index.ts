export { HOPS, type Hop } from "./hop.ts";
export { markdown } from "./markdown.ts";
export type { Plan } from "./plan.ts";
export { type PlanText, readPlans } from "./read-plan.ts";
export { type Review, type ReviewedChange, reviewPlans, risksFrom } from "./review.ts";
export { type Finding, type NotJudged, type Risk, SEVERITIES, type Severity } from "./risk.ts";
