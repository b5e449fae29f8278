import { styleText } from "node:util";
import { visible } from "../output.ts";
import type { Review } from "./review.ts";
import type { Severity } from "./risk.ts";
import { headline, hopRows, notJudgedGroups, riskGroups, shortChange, whereAre } from "./summary.ts";

export interface TextOptions {
  /** Where it is printed: colours are for terminals. @default stdout */
  readonly stream?: NodeJS.WritableStream;
  /** Lines are broken at it, in characters. @default none: what is searched for in a log should not be broken */
  readonly width?: number | undefined;
}

/** Changes of a hop that are named; the others are counted. */
const NAMED = 3;
/** What could not be judged, as far as it is listed. */
const LISTED = 10;

const COLOURS = { critical: ["bold", "red"], high: "red", medium: "yellow", low: "dim" } as const;

/** A review for a terminal, or for a log. */
export function text(review: Review, { stream = process.stdout, width }: TextOptions = {}): string {
  const paint = (style: Parameters<typeof styleText>[0], words: string) => styleText(style, words, { stream });
  const severity = (of: Severity) => paint([COLOURS[of]].flat(), of.toUpperCase().padEnd(8));
  const rows = (cells: readonly (readonly [string, string])[], first: number) =>
    cells.map(([name, value]) => `${name.padEnd(first)} ${wrapped(oneLine(value), width, first + 1)}`).join("\n");

  const sections = [
    `${paint("bold", "plan review")}  ${review.stacks.map(({ stack }) => oneLine(stack)).join(", ")}`,
    `${paint("bold", headline(review))}${review.risks.length > 0 ? ", the worst first below" : ""}`,
  ];
  const hops = hopRows(review).map(({ hop, counts, changes }) => {
    const named = changes.slice(0, NAMED).map(shortChange).join("; ");
    const more = changes.length > NAMED ? `; and ${changes.length - NAMED} more` : "";
    return [hop, counts === "" ? "-" : `${counts}: ${named}${more}`] as const;
  });
  if (review.hops.length > 0) sections.push(rows(hops, 13));
  for (const { first: risk, others } of riskGroups(review.risks)) {
    const alike = others.length === 0 ? "" : `, and ${others.length} more like it`;
    sections.push(
      [
        `${severity(risk.severity)} ${paint("bold", oneLine(`${risk.what}${alike}`))}`,
        rows(
          [
            ["  where", `${whereAre([risk, ...others])} (${risk.rule})`],
            ["  why", risk.reason],
            ["  lost", risk.lost],
            ["  instead", risk.instead],
          ],
          9,
        ),
      ].join("\n"),
    );
  }
  const notJudged = notJudgedGroups(review.notJudged);
  if (notJudged.length > 0) {
    const told = notJudged
      .slice(0, LISTED)
      .map(({ first, what }) => [`  ${first.unknown}`, `${whereAre([first])}: ${what}`] as const);
    const more = notJudged.length - told.length;
    sections.push(
      [
        paint("bold", "not judged, since the plan does not say"),
        rows(told, 2 + Math.max(...told.map(([name]) => name.length))),
        ...(more > 0 ? [`  and ${more} more; --json has them all`] : []),
      ].join("\n"),
    );
  }
  if (review.cosmetic > 0)
    sections.push(`not counted: ${review.cosmetic} changed, by the order or the spaces of JSON only`);
  return `${sections.join("\n\n")}\n`;
}

/** What comes out of a plan can neither write a line of its own nor speak to the terminal. */
function oneLine(words: string): string {
  return visible(words.replaceAll(/\s+/g, " "));
}

/** Breaks a text at spaces. A word that is longer than a line stays whole, so that an address can be copied. */
function wrapped(words: string, width: number | undefined, indent: number): string {
  if (width === undefined) return words;
  const lines = [""];
  for (const word of words.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && indent + line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}
