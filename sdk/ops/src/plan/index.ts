export type { Action, Attributes, Change } from "./change.ts";
export { HOPS, type Hop, PATH } from "./hop.ts";
export { COMMENT_MARK, reviewMarkdown } from "./markdown.ts";
export type { Plan } from "./plan.ts";
export { type PlanText, readPlans } from "./read-plan.ts";
export { type Review, type ReviewedChange, reviewPlans, risksFrom } from "./review.ts";
export { type Finding, type NotJudged, type NotKnown, type Risk, SEVERITIES, type Severity } from "./risk.ts";
export type { FailOn } from "./summary.ts";
export { reviewText, type TextOptions } from "./text.ts";
