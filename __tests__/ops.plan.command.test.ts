import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { z } from "zod";
import { fifoOps } from "./helpers/ops-command.ts";
import { readFixture } from "./plans/fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "ops-plan-"));
after(() => rmSync(folder, { recursive: true }));

/** Puts a text into a file. @returns its path */
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const CLEAN = readFixture("data-keys-kept-longer");
const MEDIUM = readFixture("protection-off");
const CRITICAL = readFixture("queue-removed");

const documentSchema = z.object({
  failOn: z.string(),
  failed: z.boolean(),
  stacks: z.array(z.object({ stack: z.string(), source: z.string(), terraformVersion: z.string() })),
  hops: z.array(z.object({ hop: z.string(), changes: z.array(z.looseObject({ address: z.string() })) })),
  risks: z.array(z.looseObject({ rule: z.string(), severity: z.string(), address: z.string(), stack: z.string() })),
  notJudged: z.array(z.looseObject({ rule: z.string() })),
});

describe("fifo-ops plan review", () => {
  test("ends with 0 for a plan without risks, and says so", async () => {
    const { code, out, err } = await fifoOps(["plan", "review", file("clean.json", CLEAN)]);
    assert.equal(code, 0);
    assert.match(out, /^plan review {2}prod-messaging\n\nno risks found\n/);
    assert.equal(err, "");
  });

  test("ends with 2 for a risk at or above --fail-on, and with 0 for one below", async () => {
    const path = file("medium.json", MEDIUM);
    for (const [options, expected] of [
      [[], 0],
      [["--fail-on", "high"], 0],
      [["--fail-on", "medium"], 2],
      [["--fail-on", "low"], 2],
      [["--fail-on", "none"], 0],
    ] as const) {
      const { code, out } = await fifoOps(["plan", "review", path, ...options]);
      assert.equal(code, expected, options.join(" "));
      assert.match(out, /MEDIUM +parking lot prod-parking-lot can be deleted/);
    }
  });

  test("reads stdin when no file is named, and - as stdin", async () => {
    for (const args of [[], ["-"]]) {
      const { code, out } = await fifoOps(["plan", "review", ...args], { input: CRITICAL });
      assert.equal(code, 2);
      assert.match(out, /CRITICAL queue dev-queue-2 is destroyed/);
    }
  });

  test("reviews several stacks at once, from files and from one stdin", async () => {
    const files = ["queue-removed", "route-removed"].map((name) => file(`${name}.json`, readFixture(name)));
    const named = await fifoOps(["plan", "review", "--json", ...files]);
    const piped = await fifoOps(["plan", "review", "--json"], {
      input: readFixture("queue-removed") + readFixture("route-removed"),
    });
    for (const { code, out } of [named, piped]) {
      assert.equal(code, 2);
      const { stacks, risks } = documentSchema.parse(JSON.parse(out));
      assert.deepEqual(
        stacks.map(({ stack }) => stack),
        ["dev-messaging", "dev-gateway"],
      );
      assert.deepEqual([...new Set(risks.map(({ rule }) => rule))], ["queue-lost", "route-lost"]);
      assert.deepEqual([...new Set(risks.map(({ stack }) => stack))].toSorted(), ["dev-gateway", "dev-messaging"]);
    }
  });

  test("calls two plans of the same stack by their files", async () => {
    const files = [file("before.json", CRITICAL), file("after.plan.json", CRITICAL)];
    const { out } = await fifoOps(["plan", "review", "--json", ...files]);
    assert.deepEqual(
      documentSchema.parse(JSON.parse(out)).stacks.map(({ stack }) => stack),
      ["before", "after"],
    );
  });

  test("prints one JSON document with --json, the worst risk first", async () => {
    const { code, out, err } = await fifoOps(["plan", "review", "--json"], { input: readFixture("key-given-up") });
    assert.equal(code, 2);
    assert.equal(err, "");
    const { risks, failed, failOn } = documentSchema.parse(JSON.parse(out));
    assert.deepEqual([failed, failOn], [true, "high"]);
    assert.equal(risks[0]?.severity, "critical");
    assert.equal(risks.at(-1)?.severity, "medium");
  });

  test("prints a comment with --markdown", async () => {
    const { code, out } = await fifoOps(["plan", "review", "--markdown", "--fail-on", "none"], { input: CRITICAL });
    assert.equal(code, 0);
    assert.match(out, /^### 🔴 Plan review: 2 critical\n/);
    assert.match(out, /^- \*\*What would be lost:\*\* every message/m);
    assert.match(out, /<!-- fifo-ops plan review -->\n$/);
  });

  test("colours on a terminal only", async () => {
    const plain = await fifoOps(["plan", "review"], { input: CRITICAL });
    assert.ok(!plain.out.includes("\u001B"));
    const forced = await fifoOps(["plan", "review"], { input: CRITICAL, env: { FORCE_COLOR: "1" } });
    assert.ok(forced.out.includes("\u001B[31m"));
  });

  test("reads what PowerShell wrote: UTF-16, and UTF-8 with a byte-order mark", async () => {
    for (const encoded of [Buffer.from(`\uFEFF${CRITICAL}`, "utf16le"), Buffer.from(`\uFEFF${CRITICAL}`)]) {
      const { code } = await fifoOps(["plan", "review"], { input: encoded });
      assert.equal(code, 2);
    }
  });

  test("lists arguments, exit codes and the way to make a plan with --help", async () => {
    const { code, out } = await fifoOps(["plan", "review", "--help"]);
    assert.equal(code, 0);
    assert.match(
      out.replaceAll(/\s+/g, " "),
      /--fail-on <severity>.*choices: "critical", "high", "medium", "low", "none", default: "high"/,
    );
    assert.match(out, /terraform show -json plan\.tfplan/);
    assert.match(out, /2 {2}risks at or above --fail-on/);
  });
});

describe("fifo-ops plan review ends with 1, and says what it got and the way out,", () => {
  const state = JSON.stringify({ format_version: "1.0", terraform_version: "1.11.4", values: { root_module: {} } });
  const cases: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["for nothing", "", /stdin is empty; expected the output of: terraform plan -out=FILE/],
    ["for what is no JSON", "Error: secret-4711", /stdin is not JSON \(line 1\)/],
    ["for a plan that is cut off", CRITICAL.slice(0, 2_000), /stdin is not JSON \(line 1\)/],
    [
      "for a plan file",
      Buffer.from("PK\u0003\u0004rest"),
      /is Terraform's own plan file; print it as JSON: terraform show -json FILE/,
    ],
    ["for a state", state, /is a state, no plan/],
    ["for the log of a plan", '{"@level":"info","type":"version"}\n', /is the log of terraform plan -json/],
    ["for other JSON", "[1,2]", /has no format_version, so it is no plan/],
    [
      "for a format that it does not know",
      '{"format_version":"2.0","resource_changes":[]}',
      /has format_version "2\.0"; understood is 1\.x/,
    ],
    [
      "for a plan of another shape",
      '{"format_version":"1.2","resource_changes":[{"address":4711}]}',
      /is no plan of Terraform's: resource_changes\.0\.address/,
    ],
  ];
  for (const [name, input, expected] of cases)
    test(name, async () => {
      const { code, out, err } = await fifoOps(["plan", "review"], { input });
      assert.equal(code, 1);
      assert.equal(out, "");
      assert.match(err, expected);
      assert.ok(!err.includes("4711"), "nothing of the input is told");
    });

  test("for one unreadable file of two, as JSON with --json", async () => {
    const { code, out } = await fifoOps([
      "plan",
      "review",
      "--json",
      file("fine.json", CLEAN),
      join(folder, "none.json"),
    ]);
    assert.equal(code, 1);
    const { error } = z.object({ error: z.object({ code: z.string(), message: z.string() }) }).parse(JSON.parse(out));
    assert.equal(error.code, "PLAN_UNREADABLE");
    assert.match(error.message, /none\.json cannot be read: there is no such file/);
  });

  test("for a folder", async () => {
    const { code, err } = await fifoOps(["plan", "review", folder]);
    assert.equal(code, 1);
    assert.match(err, /it is a folder; name the files in it/);
  });

  test("for a usage error, so that 2 means a risk and nothing else", async () => {
    for (const args of [
      ["--fail-on", "severe"],
      ["--json", "--markdown"],
      ["--deployment", "dev"],
    ]) {
      const { code, err } = await fifoOps(["plan", "review", ...args], { input: CLEAN });
      assert.equal(code, 1, args.join(" "));
      assert.notEqual(err, "");
    }
  });
});
