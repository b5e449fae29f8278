import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { compareFiles, describe as say } from "./cdktn/differences.ts";
import forkPackage from "./cdktn/package.json" with { type: "json" };
import { projectRoot } from "./helpers/emitted.ts";

const STACK = "stacks/dev-messaging/cdk.tf.json";
const QUEUE = '.resource.aws_sqs_queue["queue-1_queue"]';

interface Parts {
  readonly queue?: Readonly<Record<string, unknown>>;
  readonly source?: string;
  readonly provider?: string;
}

/** A synth of one queue, as cdktf emits it unless told otherwise. */
function emitted(cdktf: string, { queue = {}, source = "aws", provider = "6.25.0" }: Parts = {}): Map<string, Buffer> {
  const stack = {
    "//": { metadata: { stackName: "dev-messaging", version: cdktf } },
    terraform: { required_providers: { aws: { source, version: provider } } },
    resource: {
      aws_sqs_queue: { "queue-1_queue": { name: "dev-queue-1.fifo", fifo_queue: true, tags: [], ...queue } },
    },
  };
  return new Map([
    ["manifest.json", Buffer.from(JSON.stringify({ version: cdktf }))],
    [STACK, Buffer.from(JSON.stringify(stack))],
    ["stacks/dev-delivery/assets/consumer.zip", Buffer.from("zip")],
  ]);
}

const ours = emitted("0.21.0");
const fork = (parts: Parts = {}) => emitted("0.24.0", { source: "hashicorp/aws", provider: "6.64.0", ...parts });

const policy = (action: string) => JSON.stringify({ first: "x".repeat(500), action, last: "y".repeat(500) });

/** Where two synths part in a way that is not allowed. */
const refused = (theirs: Map<string, Buffer>) => compareFiles(ours, theirs).refused;

describe("the comparison of cdktf and its fork", () => {
  test("allows versions and the provider's long name, and says how often", () => {
    const { refused: none, rows } = compareFiles(ours, fork());
    assert.deepEqual(none, []);
    assert.deepEqual(
      rows.map(({ row, count }) => [row.path, count]),
      [
        [".version", 1],
        ['["//"].metadata.version', 1],
        [".terraform.required_providers.aws.source", 1],
        [".terraform.required_providers.aws.version", 1],
      ],
    );
  });

  test("sees that the fork did not run when nothing parts", () => {
    const { rows } = compareFiles(ours, ours);
    assert.ok(rows.every(({ count }) => count === 0));
  });

  test("takes no notice of white space and of the order of keys", () => {
    const theirs = fork();
    theirs.set("manifest.json", Buffer.from('{\n  "version": "0.24.0"\n}\n'));
    const stack: unknown = JSON.parse(String(theirs.get(STACK)));
    assert.ok(typeof stack === "object");
    theirs.set(
      STACK,
      Buffer.from(JSON.stringify(Object.fromEntries(Object.entries({ ...stack }).toReversed()), null, 4)),
    );
    assert.deepEqual(refused(theirs), []);
  });

  for (const [what, queue, path, mine, theirs] of [
    ["another value", { name: "dev-queue-2.fifo" }, ".name", "dev-queue-1.fifo", "dev-queue-2.fifo"],
    ["a number in the place of a word", { fifo_queue: "true" }, ".fifo_queue", true, "true"],
    ["an argument that only the fork emits", { delay_seconds: null }, ".delay_seconds", undefined, null],
    ["an argument that the fork leaves out", { fifo_queue: undefined }, ".fifo_queue", true, undefined],
    ["a longer list", { tags: ["a"] }, ".tags[0]", undefined, "a"],
    ["a block in the place of a list of blocks", { tags: {} }, ".tags", [], {}],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.deepEqual(refused(fork({ queue })), [{ file: STACK, path: QUEUE + path, ours: mine, theirs }]);
    });
  }

  test("refuses another major version of the provider, and one from elsewhere", () => {
    for (const [parts, path] of [
      [{ provider: "7.0.0" }, "version"],
      [{ provider: "~> 6.0" }, "version"],
      [{ source: "kimalarm/aws" }, "source"],
    ] as const) {
      const paths = refused(fork(parts)).map((difference) => difference.path);
      assert.deepEqual(paths, [`.terraform.required_providers.aws.${path}`]);
    }
  });

  test("refuses a version anywhere else", () => {
    assert.equal(refused(fork({ queue: { version: "0.24.0" } })).length, 1);
  });

  test("refuses a file that only one of them emits, and an asset of other bytes", () => {
    const theirs = fork();
    theirs.delete("manifest.json");
    theirs.set("stacks/dev-delivery/assets/consumer.zip", Buffer.from("zap"));
    theirs.set("stacks/dev-gateway/cdk.tf.json", Buffer.from("{}"));
    assert.deepEqual(
      refused(theirs).map(({ file }) => file),
      ["manifest.json", "stacks/dev-delivery/assets/consumer.zip", "stacks/dev-gateway/cdk.tf.json"],
    );
  });

  test("prints where two synths part and both values, long ones from just before it", () => {
    const at = { file: STACK, path: `${QUEUE}.policy` };
    assert.equal(say({ ...at, ours: 5, theirs: undefined }), `${STACK} ${QUEUE}.policy\n  cdktf  5\n  cdktn  nothing`);
    const [where, mine = "", theirs = ""] = say({
      ...at,
      ours: policy("sqs:SendMessage"),
      theirs: policy("sqs:DeleteMessage"),
    }).split("\n");
    assert.equal(where, `${STACK} ${QUEUE}.policy`);
    assert.match(mine, /^ {2}cdktf {2}\.\.\.x+.*sqs:SendMessage.*y\.\.\.$/);
    assert.match(theirs, /^ {2}cdktn {2}\.\.\.x+.*sqs:DeleteMessage.*y\.\.\.$/);
    assert.ok(mine.length < 150);
  });
});

describe("npm run synth:cdktn", () => {
  const project = mkdtempSync(join(tmpdir(), "fifo-gateway-cdktn-"));
  after(() => rmSync(project, { recursive: true }));
  for (const file of ["package.json", "resolve.ts", "synth.ts"]) {
    cpSync(join(import.meta.dirname, "cdktn", file), join(project, "__tests__/cdktn", file));
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
  symlinkSync(join(projectRoot, "node_modules"), join(project, "node_modules"));
  writeFileSync(
    join(project, "main.ts"),
    `import { App } from "cdktf";
     import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue/index.js";
     import { Construct } from "constructs";
     console.log(JSON.stringify([App, SqsQueue, Construct, process.env.CDKTF_OUTDIR]));`,
  );

  const run = (env: Readonly<Record<string, string>> = {}) => {
    const { CDKTF_OUTDIR: _, ...inherited } = process.env;
    return spawnSync(process.execPath, [join(project, "__tests__/cdktn/synth.ts")], {
      cwd: tmpdir(),
      env: { ...inherited, ...env },
      encoding: "utf8",
    });
  };

  const { "@cdktn/provider-aws": provider, cdktn, constructs } = forkPackage.dependencies;

  /** A package that stands for one of the fork's: each file says who it is. */
  const install = (name: string, version: string, file: string, exported: string) => {
    const folder = join(project, "__tests__/cdktn/node_modules", name);
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version, main: file }));
    writeFileSync(join(folder, file), `exports.${exported} = ${JSON.stringify(`${name} ${version}`)};`);
  };

  test("says what to install when the fork is not there, or another version of it", () => {
    const absent = run();
    assert.equal(absent.status, 3);
    assert.match(absent.stderr, /^\S+ is not installed\. Run, .*:\n\n {2}npm ci --prefix __tests__\/cdktn\n/);
    assert.equal(absent.stdout, "");

    install("@cdktn/provider-aws", provider, "lib/sqs-queue/index.js", "SqsQueue");
    install("cdktn", "0.0.1", "lib/index.js", "App");
    install("constructs", constructs, "lib/index.js", "Construct");
    const stale = run();
    assert.equal(stale.status, 3);
    assert.ok(stale.stderr.startsWith(`cdktn is 0.0.1 and has to be ${cdktn}. Run`), stale.stderr);
  });

  test("runs main.ts with the fork's packages in the place of cdktf's, into a folder beside cdktf's", () => {
    install("cdktn", cdktn, "lib/index.js", "App");
    const { stdout, stderr } = run();
    const fromFork = [`cdktn ${cdktn}`, `@cdktn/provider-aws ${provider}`, `constructs ${constructs}`];
    assert.deepEqual(JSON.parse(stdout || "null"), [...fromFork, join(project, "cdktn.out")], stderr);
    const elsewhere = run({ CDKTF_OUTDIR: "/elsewhere" });
    assert.deepEqual(JSON.parse(elsewhere.stdout || "null"), [...fromFork, "/elsewhere"], elsewhere.stderr);
  });
});
