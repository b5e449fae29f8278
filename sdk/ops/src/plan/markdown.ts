import type { Review, ReviewedChange } from "./review.ts";
import type { Severity } from "./risk.ts";
import {
  cosmeticLine,
  type FailOn,
  headline,
  hopRows,
  isOnPath,
  type NotJudgedGroup,
  notJudgedGroups,
  type RiskGroup,
  riskGroups,
} from "./summary.ts";

/** Stands at the end of each comment, so that the next run finds it and writes over it. */
export const COMMENT_MARK = "<!-- fifo-ops plan review -->";

/** Of a comment, in characters: GitHub takes 65,536, and somebody may want to put a line before it. */
const LONGEST = 65_000;

const MARKS: Readonly<Record<Severity, string>> = { critical: "🔴", high: "🟠", medium: "🟡", low: "⚪" };

/** Of one text out of a plan, in characters. */
const LONGEST_TEXT = 600;
/** Addresses or titles of one risk that are named; the others are counted. */
const MOST_NAMED = 20;
/** Listed in full; the others are counted. */
const MOST_CHANGES = 200;

/**
 * A review as a comment of a pull request (GitHub Flavored Markdown), short enough for GitHub. What comes out of a plan
 * cannot break out of its place: no link, mention or heading of somebody else's.
 *
 * @param options.failOn from which severity on it fails, for the headline; "none" by default
 * @example await writeFile("comment.md", reviewMarkdown(review, { failOn: "high" }))
 */
export function reviewMarkdown(review: Review, { failOn = "none" }: { readonly failOn?: FailOn } = {}): string {
  const [worst] = review.risks;
  const mark = worst === undefined ? "" : `${MARKS[worst.severity]} `;
  const top = [
    `### ${mark}Plan review: ${headline(review, failOn)}`,
    review.stacks.map(({ stack }) => code(stack)).join(", "),
    ...(review.hops.length > 0 ? [hopTable(review)] : []),
  ];
  const groups = riskGroups(review.risks);
  const light = groups.filter(({ first }) => first.severity === "low");
  const end = [
    ...folded("low risks", light.map(riskInShort)),
    ...folded("not judged, since the plan does not say", notJudgedGroups(review.notJudged).map(notJudged)),
    ...folded("every change", changes(review)),
    COMMENT_MARK,
  ];
  return fitted(top, groups.filter((group) => !light.includes(group)).map(riskInFull), end);
}

/** The path from left to right, as a message travels, and what changes beside it. */
function hopTable(review: Review): string {
  const rows = hopRows(review);
  const path = rows.filter(({ hop }) => isOnPath(hop));
  const beside = rows.filter(({ hop }) => !isOnPath(hop)).map(({ hop, counts }) => `${hop} **${counts}**`);
  const table = [
    tableRow(path.map(({ hop }) => hop)),
    tableRow(path.map(() => ":-:")),
    tableRow(
      path.map(({ counts }) =>
        counts === "" ? "–" : `**${counts.replaceAll(" ", "&nbsp;").replaceAll(",&nbsp;", "<br>")}**`,
      ),
    ),
  ].join("\n");
  return beside.length === 0 ? table : `${table}\n\nBeside the path: ${beside.join("; ")}`;
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** As many of the risks as there is room for, the worst first. */
function fitted(top: readonly string[], risks: readonly string[], end: readonly string[]): string {
  const full = paragraphs(...top, ...risks, ...end);
  if (full.length <= LONGEST) return full;
  let room = LONGEST - paragraphs(...top, leftOut(risks.length), COMMENT_MARK).length;
  const shown = risks.filter((risk) => {
    if (risk.length + 2 > room) return false;
    room -= risk.length + 2;
    return true;
  });
  return paragraphs(...top, ...shown, leftOut(risks.length - shown.length), COMMENT_MARK);
}

function leftOut(risks: number): string {
  return `and ${risks} more risks, the low ones, what was not judged and all that changes: there is no room for it here. \`fifo-ops plan review\` shows it.`;
}

function paragraphs(...parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}

function riskInFull({ first, titles: [title = "", ...others], places }: RiskGroup): string {
  return [
    `#### ${MARKS[first.severity]} ${first.severity}: ${prose(title)}`,
    ...(others.length === 0 ? [] : [`Also: ${listed(others.map(prose), "; ")}`]),
    `${placesText(places)} (${code(first.rule)})`,
    [
      `- **Why:** ${prose(first.reason)}`,
      `- **What would be lost:** ${prose(first.lost)}`,
      `- **Instead:** ${prose(first.instead)}`,
    ].join("\n"),
  ].join("\n\n");
}

function riskInShort({ first, titles, places }: RiskGroup): string {
  const { reason, lost, instead, rule } = first;
  const title = listed(titles.map(prose), "; ");
  return `- ${title}: ${placesText(places)} (${code(rule)}). ${prose(reason)}. Lost: ${prose(lost)}. Instead: ${prose(instead)}`;
}

function placesText(places: RiskGroup["places"]): string {
  return places.map(([stack, addresses]) => `${listed(addresses.map(code), ", ")} in ${code(stack)}`).join("; ");
}

function listed(items: readonly string[], separator: string): string {
  const more = items.length > MOST_NAMED ? [`and ${items.length - MOST_NAMED} more`] : [];
  return [...items.slice(0, MOST_NAMED), ...more].join(separator);
}

function notJudged({ first: { unknown, address }, what }: NotJudgedGroup): string {
  return `- ${code(unknown)} of ${code(address)}: ${prose(what)}`;
}

function changes(review: Review): string[] {
  const all = review.hops.flatMap((row) => row.changes);
  const rest = all.length - MOST_CHANGES;
  const cosmetic = cosmeticLine(review);
  return [
    ...all.slice(0, MOST_CHANGES).map(line),
    ...(rest > 0 ? [`- and ${rest} more`] : []),
    ...(cosmetic === "" ? [] : [`- ${cosmetic}`]),
  ];
}

function line({ action, address, attributes }: ReviewedChange): string {
  const named = attributes.length === 0 ? "" : ` (${attributes.map(code).join(", ")})`;
  return `- ${action} ${code(address)}${named}`;
}

function folded(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [`<details><summary>${title}</summary>\n\n${lines.join("\n")}\n\n</details>`];
}

/** Text in which nothing is Markdown but commands in backticks, and nobody is called. */
function prose(words: string): string {
  const parts = oneLine(words).split("`");
  // One that is not closed is none.
  const last = parts.length % 2 === 0 ? parts.length - 1 : parts.length;
  return parts.map((part, at) => (at % 2 === 1 && at < last ? code(part) : plain(part))).join("");
}

function plain(words: string): string {
  return words.replaceAll(/[\\`*_[\]<>|~&]/g, "\\$&").replaceAll(/[@#]|:(?=\/\/)|www(?=\.)/gi, "$&\u200B");
}

/** A code span, whatever is in it (CommonMark 6.1: a longer fence than any in it). */
function code(words: string): string {
  const content = oneLine(words) || " ";
  const fence = "`".repeat(1 + Math.max(0, ...[...content.matchAll(/`+/g)].map(([run]) => run.length)));
  return fence.length === 1 ? `\`${content}\`` : `${fence} ${content} ${fence}`;
}

function oneLine(words: string): string {
  const flat = words.replaceAll(/[\s\p{Cc}\p{Bidi_Control}]+/gu, " ");
  return flat.length > LONGEST_TEXT ? `${flat.slice(0, LONGEST_TEXT)}...` : flat;
}
