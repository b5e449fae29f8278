import { styleText } from "node:util";
import { visible } from "../output.ts";
import type { Review } from "./review.ts";
import type { Severity } from "./risk.ts";
import { cosmeticLine, type FailOn, headline, hopRows, notJudgedGroups, riskGroups, shortChange } from "./summary.ts";

/** How a review is printed. */
export interface TextOptions {
  /** From which severity on it fails, for the headline. @default "none" */
  readonly failOn?: FailOn;
  /** A terminal, for colours as it takes them. @default none: no colours */
  readonly stream?: NodeJS.WritableStream | undefined;
  /** Lines are broken at it, in characters. @default none: what is searched for in a log should not be broken */
  readonly width?: number | undefined;
}

/** Changes of a hop that are named; the others are counted. */
const NAMED = 3;
/** Titles of risks that are alike, and attributes that could not be judged, as far as they are listed. */
const LISTED = 10;

const COLOURS = { critical: ["bold", "red"], high: "red", medium: "yellow", low: "dim" } as const;

/** Of a severity, in characters. */
const SEVERITY_WIDTH = 8;

/**
 * A review for a terminal, or for a log: what is grave first, then where on the path, then what changes.
 *
 * @example process.stdout.write(reviewText(review, { stream: process.stdout, width: 100 }))
 */
export function reviewText(review: Review, { failOn = "none", stream, width }: TextOptions = {}): string {
  const paint = (style: Parameters<typeof styleText>[0], words: string) =>
    stream === undefined ? words : styleText(style, words, { stream });
  const severity = (of: Severity) => paint([COLOURS[of]].flat(), of.toUpperCase().padEnd(SEVERITY_WIDTH));
  const rows = (cells: readonly (readonly [string, string])[], first: number) =>
    cells.map(([name, value]) => `${name.padEnd(first)} ${wrapped(oneLine(value), width, first + 1)}`).join("\n");

  const hops = hopRows(review);
  const path = hops.map(({ hop, counts }) => `${hop} ${counts === "" ? "-" : counts}`).join(" | ");
  const sections = [
    `${paint("bold", "plan review")}  ${review.stacks.map(({ stack }) => oneLine(stack)).join(", ")}`,
    paint("bold", headline(review, failOn)),
    ...(review.hops.length > 0 ? [wrapped(path, width, 0)] : []),
  ];
  for (const { first, titles, places } of riskGroups(review.risks)) {
    const more = titles.length > LISTED ? [`and ${titles.length - LISTED} more like it`] : [];
    const lines = [...titles.slice(0, LISTED), ...more].map((title) => paint("bold", oneLine(title)));
    const where = places.map(([stack, addresses]) => `${addresses.join(", ")} in ${stack}`).join("; ");
    const details = [
      ["  where", `${where} (${first.rule})`],
      ["  why", first.reason],
      ["  lost", first.lost],
      ["  instead", first.instead],
    ] as const;
    sections.push(
      `${severity(first.severity)} ${lines.join(`\n${" ".repeat(SEVERITY_WIDTH + 1)}`)}\n${rows(details, 9)}`,
    );
  }
  const notJudged = notJudgedGroups(review.notJudged);
  if (notJudged.length > 0) {
    const told = notJudged
      .slice(0, LISTED)
      .map(({ first, what }) => [`  ${first.unknown}`, `${first.address} in ${first.stack}: ${what}`] as const);
    const more = notJudged.length - told.length;
    const list = rows(told, Math.max(...told.map(([name]) => name.length)));
    sections.push(
      `${paint("bold", "not judged, since the plan does not say")}\n${list}${more > 0 ? `\n  and ${more} more; --json has them all` : ""}`,
    );
  }
  const changed = hops.filter(({ changes }) => changes.length > 0);
  if (changed.length > 0) {
    const list = changed.map(({ hop, counts, changes }) => {
      const more = changes.length > NAMED ? `; and ${changes.length - NAMED} more` : "";
      return [`  ${hop}`, `${counts}: ${changes.slice(0, NAMED).map(shortChange).join("; ")}${more}`] as const;
    });
    sections.push(`${paint("bold", "what changes")}\n${rows(list, 14)}`);
  }
  const cosmetic = cosmeticLine(review);
  return `${[...sections, ...(cosmetic === "" ? [] : [cosmetic])].join("\n\n")}\n`;
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
