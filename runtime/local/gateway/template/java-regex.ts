/** Compiled once each: templates hold few patterns, and every request uses them. */
const compiled = new Map<string, RegExp>();

/**
 * A pattern of java.util.regex as JavaScript's, for the part in which both agree.
 *
 * @throws Error naming the construct that the two read differently, or that JavaScript lacks
 */
export function toJavaRegex(pattern: string, scope: "whole" | "first" | "all"): RegExp {
  const key = `${scope} ${pattern}`;
  const known = compiled.get(key);
  if (known !== undefined) {
    known.lastIndex = 0;
    return known;
  }
  const translated = translate(pattern);
  const regex = new RegExp(scope === "whole" ? `^(?:${translated})$` : translated, scope === "all" ? "gu" : "u");
  compiled.set(key, regex);
  return regex;
}

/** A replacement text as Java reads it: `\x` is x itself, `$1` the first group. */
export function toJavaReplacement(text: string): (match: string, ...groups: readonly unknown[]) => string {
  return (match, ...groups) =>
    text.replace(/\\([\s\S])|\$(\d)|[\\$]/g, (token: string, literal?: string, group?: string) => {
      if (literal !== undefined) return literal;
      if (group === undefined) throw new Error(`${token} at the end of a replacement`);
      const found = group === "0" ? match : groups[Number(group) - 1];
      return typeof found === "string" ? found : "";
    });
}

const TOKEN = /\\[\s\S]?|\[\^?|[\s\S]/gu;

function translate(pattern: string): string {
  let inClass = false;
  let previous = "";
  return pattern.replace(TOKEN, (token, at: number) => {
    const before = previous;
    previous = token;
    if (token.startsWith("\\")) return translateEscape(token, inClass);
    if (inClass) {
      if (token.startsWith("[")) throw new Error("a character class within a character class");
      if (pattern.startsWith("&&", at)) throw new Error("&& in a character class");
      if (token === "]") inClass = false;
      return token;
    }
    if (token.startsWith("[")) inClass = true;
    if (token === ".") return "[^\\n\\r\\u0085\\u2028\\u2029]";
    if (token === "$" || token === "^") throw new Error(`${token} in a pattern: Java's line ends differ`);
    if (token === "+" && /^[+*?}]$/.test(before)) throw new Error("a possessive quantifier");
    if (token === "(" && pattern.startsWith("(?", at) && !/^\(\?(?:[:=!]|<[=!])/.test(pattern.slice(at))) {
      throw new Error("a flag or a named group");
    }
    return token;
  });
}

function translateEscape(token: string, inClass: boolean): string {
  const character = token.slice(1);
  if (/^[dDnrtf]$/.test(character)) return token;
  if (character === "w" || character === "W") return token;
  if (character === "s") return inClass ? " \\t\\n\\v\\f\\r" : "[ \\t\\n\\v\\f\\r]";
  if (/^[\^$\\.*+?()[\]{}|/]$/.test(character)) return token;
  if (character === "-" && inClass) return token;
  if (/^[!-/:-@[-`{-~ ]$/.test(character)) return character;
  throw new Error(`${token} in a pattern`);
}
