import { PATH } from "./hop.ts";
import type { Review, ReviewedChange } from "./review.ts";
import type { Risk, Severity } from "./risk.ts";
import {
  type HopRow,
  headline,
  hopRows,
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
/** Addresses of one risk that are named; the others are counted. */
const MOST_ADDRESSES = 20;
/** Listed in full; the others are counted. */
const MOST_CHANGES = 200;

/**
 * A review as a comment of a pull request (GitHub Flavored Markdown), short enough for GitHub. What comes out of a plan
 * cannot break out of its place: no link, mention or heading of somebody else's.
 *
 * @example await writeFile("comment.md", markdown(review))
 */
export function markdown(review: Review): string {
  const top = [
    `### ${MARKS[review.risks[0]?.severity ?? "low"].concat(" ").repeat(Math.min(1, review.risks.length))}Plan review: ${headline(review)}`,
  ];
  top.push(`${review.stacks.map(({ stack }) => code(stack)).join(", ")}`);
  if (review.hops.length > 0) top.push(hopTable(review));
  const grave = review.risks.filter(({ severity }) => severity !== "low");
  const light = review.risks.filter(({ severity }) => severity === "low");
  const risks = riskGroups(grave).map(riskInFull);
  const end = [
    ...folded(`${light.length} low ${light.length === 1 ? "risk" : "risks"}`, light.map(riskInShort)),
    ...folded("not judged, since the plan does not say", notJudgedGroups(review.notJudged).map(notJudged)),
    ...folded("every change", changes(review)),
    COMMENT_MARK,
  ];
  return fitted(top, risks, end);
}

/** The path from left to right, as a message travels, and what changes beside it. */
function hopTable(review: Review): string {
  const rows = hopRows(review);
  const path = rows.filter(isOnPath);
  const beside = rows.filter((row) => !isOnPath(row)).map(({ hop, counts }) => `${hop} **${counts}**`);
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

function isOnPath({ hop }: HopRow): boolean {
  return PATH.some((step) => step === hop);
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
  return `and ${risks} more risks, and all that changes: there is no room for it here. \`fifo-ops plan review\` shows it.`;
}

function paragraphs(...parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}

function riskInFull({ first: risk, others }: RiskGroup): string {
  const alike = others.length === 0 ? "" : `, and ${others.length} more like it`;
  const where = Map.groupBy([risk, ...others], ({ stack }) => stack);
  return [
    `#### ${MARKS[risk.severity]} ${risk.severity}: ${prose(risk.what)}${alike}`,
    [...where].map(([stack, all]) => `${addresses(all)} in ${code(stack)}`).join("; "),
    [
      `- **Why:** ${prose(risk.reason)}`,
      `- **What would be lost:** ${prose(risk.lost)}`,
      `- **Instead:** ${prose(risk.instead)}`,
    ].join("\n"),
  ].join("\n\n");
}

function addresses(risks: readonly Risk[]): string {
  const named = risks.slice(0, MOST_ADDRESSES).map(({ address }) => code(address));
  return [...named, ...(risks.length > MOST_ADDRESSES ? [`and ${risks.length - MOST_ADDRESSES} more`] : [])].join(", ");
}

function riskInShort({ what, address, reason, instead }: Risk): string {
  return `- ${prose(what)} (${code(address)}): ${prose(reason)}. Instead: ${prose(instead)}`;
}

function notJudged({ first: { unknown, address }, what }: NotJudgedGroup): string {
  return `- ${code(unknown)} of ${code(address)}: ${prose(what)}`;
}

function changes({ hops, cosmetic }: Review): string[] {
  const all = hops.flatMap((row) => row.changes);
  const rest = all.length - MOST_CHANGES;
  return [
    ...all.slice(0, MOST_CHANGES).map(line),
    ...(rest > 0 ? [`- and ${rest} more`] : []),
    ...(cosmetic > 0 ? [`- not counted: ${cosmetic} changed, by the order or the spaces of JSON only`] : []),
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
