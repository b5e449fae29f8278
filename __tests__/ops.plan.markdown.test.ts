import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Marked, type Token, type Tokens } from "marked";
import { reviewMarkdown } from "../sdk/ops/src/plan/markdown.ts";
import { readPlans } from "../sdk/ops/src/plan/read-plan.ts";
import { reviewPlans } from "../sdk/ops/src/plan/review.ts";
import { readFixture } from "./plans/fixtures.ts";

/** GitHub's longest comment, in characters. */
const LONGEST_COMMENT = 65_536;

const comment = (text: string) => reviewMarkdown(reviewPlans(readPlans([{ source: "plan.json", text }])));

/** Everything that a renderer makes of it, nested parts included. */
function tokensOf(text: string): Token[] {
  const marked = new Marked({ gfm: true });
  const found: Token[] = [];
  marked.walkTokens(marked.lexer(text), (token) => void found.push(token));
  return found;
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The fixture's queue under another name and address, as JSON has them. */
function renamed(name: string, address: string): string {
  return readFixture("queue-removed")
    .replaceAll("dev-queue-2.fifo", inJson(name))
    .replaceAll("aws_sqs_queue.queue-2_queue", inJson(address));
}

describe("the comment of a review", () => {
  test("is a table of hops, and the risks with what would be lost", () => {
    const tokens = tokensOf(comment(readFixture("queue-removed")));
    const table = tokens.find(({ type }) => type === "table");
    assert.ok(table?.type === "table");
    const [counts] = table["rows"];
    assert.deepEqual(
      table["header"].map(({ text }: Tokens.TableCell, at: number) => [text, counts[at].text]),
      [
        ["producers", "–"],
        ["gateway", "–"],
        ["queue", "**2&nbsp;destroyed**"],
        ["consumer", "–"],
        ["backend", "–"],
        ["dead-letter", "**2&nbsp;destroyed**"],
        ["parking lot", "–"],
      ],
    );
    assert.deepEqual(
      tokens.filter(({ type }) => type === "heading").map(({ raw }) => raw.trim()),
      [
        "### 🔴 Plan review: 2 critical",
        "#### 🔴 critical: queue dev-queue-2 is destroyed",
        "#### 🔴 critical: dead-letter queue dev-queue-2-dead-letter is destroyed",
      ],
    );
  });

  test("is calm where nothing is wrong", () => {
    const text = comment(readFixture("data-keys-kept-longer"));
    assert.match(text, /^### Plan review: no risks found\n/);
    assert.doesNotMatch(text, /🔴|🟠|🟡/);
  });

  for (const hostile of [
    "q`|` <img src=x onerror=alert(1)> </details>",
    "q\n# taken over\n- [x] [approved](https://evil.example/)",
    "q ![x](https://evil.example/x.png) www.evil.example https://evil.example",
    "q @org/team #1 org/repo#1 ``` ~~~ <!-- fifo-ops plan review -->",
    "q\u202Eq \u0000 \u001B[2J ||| $x$ *a* _b_ ~c~ \\",
  ]) {
    test(`lets nothing of a plan out of its place: ${JSON.stringify(hostile)}`, () => {
      const text = comment(renamed(`${hostile}.fifo`, `aws_sqs_queue.q[${JSON.stringify(hostile)}]`));
      const tokens = tokensOf(text);
      const plain = tokensOf(comment(readFixture("queue-removed")));
      for (const type of ["link", "image", "heading", "html", "list_item", "table", "code", "em", "del", "checkbox"]) {
        const count = (all: readonly Token[]) => all.filter((token) => token.type === type).length;
        assert.equal(count(tokens), count(plain), `no ${type} of its own`);
      }
      const said = tokens.filter((token) => (token.type === "text" && !("tokens" in token)) || token.type === "escape");
      assert.doesNotMatch(
        said.map(({ raw }) => raw).join("\n"),
        /@org|#1|:\/\/evil|www\.evil/,
        "nobody is called, and nothing is linked",
      );
      assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Bidi_Control}]/u, "no control characters");
    });
  }

  test("fits into a comment of GitHub's, the worst first, and says what is left out", () => {
    const [plan = ""] = readFixture("queue-removed").split("\n");
    const document = JSON.parse(plan);
    const queue = document.resource_changes.find(
      ({ address }: { address: string }) => address === "aws_sqs_queue.queue-2_queue",
    );
    document.resource_changes = Array.from({ length: 1_000 }, (_, at) => {
      const before = { ...queue.change.before, name: `dev-queue-${at}.fifo` };
      return { ...queue, address: `aws_sqs_queue.queue-${at}_queue`, change: { ...queue.change, before } };
    });
    const text = comment(JSON.stringify(document));
    assert.ok(text.length <= LONGEST_COMMENT, `${text.length} characters`);
    assert.ok(text.length > LONGEST_COMMENT / 2, "the room is used");
    assert.match(text, /^### 🔴 Plan review: 1000 critical\n/);
    assert.match(
      text,
      /and \d+ more risks, the low ones, what was not judged and all that changes: there is no room for it here/,
    );
    assert.match(text, /<!-- fifo-ops plan review -->\n$/);
  });
});
