/**
 * Holds what the stacks emit through the community fork of cdktf against what they emit through cdktf, in all files:
 * `node __tests__/cdktn/compare.ts`, after `npm ci --prefix __tests__/cdktn`. The stacks have to type-check against the fork, too.
 *
 * Ends with 0 when nothing parts but what `ALLOWED` names, with 1 when something does, and with 3 when the fork is not installed.
 */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { projectRoot, synth } from "../helpers/emitted.ts";
import { compareFiles, describe } from "./differences.ts";
import { whatIsMissing } from "./resolve.ts";

const typesSchema = z.record(z.string(), z.unknown()).default({});
const partsSchema = z.object({ provider: typesSchema, resource: typesSchema, data: typesSchema });

const missing = whatIsMissing();
if (missing !== undefined) {
  console.log(`SKIPPED, nothing was compared: ${missing}. Run: npm ci --prefix __tests__/cdktn`);
  process.exit(3);
}

const at = (file: string) => join(import.meta.dirname, file);
const problems = [...typeErrors()];
const emitted: z.output<typeof partsSchema>[] = [];
for (const [name, file] of [
  ["main.ts", join(projectRoot, "main.ts")],
  ["the options that it leaves out", at("other-options.ts")],
] as const) {
  const ours = synth({ program: [file] });
  const theirs = synth({ program: [at("synth.ts"), file] });
  for (const [path, bytes] of ours.files) {
    if (path.endsWith("cdk.tf.json")) emitted.push(partsSchema.parse(JSON.parse(bytes.toString("utf8"))));
  }
  const { refused, rows } = compareFiles(ours.files, theirs.files);
  console.log(`${name}: ${ours.files.size} files, ${refused.length} differences that are not allowed`);
  for (const { row, count } of rows) {
    console.log(`  allowed ${count} times: ${row.path} (${row.why})`);
    if (count === 0)
      problems.push(`${name}: nothing parts at ${row.path}; was it the fork, and is its row still needed?`);
  }
  problems.push(...refused.map(describe));
}
problems.push(...uncompared());

for (const problem of problems) console.error(`\n${problem}`);
if (problems.length > 0) console.error(`\n${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;

/** What the compiler says when the stacks are built with the fork's types. */
function typeErrors(): string[] {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(projectRoot, "node_modules/typescript/bin/tsc"), "-p", at("tsconfig.fork.json")],
    { encoding: "utf8" },
  );
  return status === 0 ? [] : [`the stacks do not type-check against the fork:\n${stdout}${stderr}`];
}

/** Parts of the provider that the stacks use, and no compared deployment has: nothing says how the fork emits them. */
function uncompared(): string[] {
  const compared = new Set(emitted.flatMap(folders));
  const used = globSync("stacks/**/*.ts", { cwd: projectRoot }).flatMap((file) =>
    [...readFileSync(join(projectRoot, file), "utf8").matchAll(/"@cdktf\/provider-aws\/lib\/([^/"]+)/g)].map(
      ([, folder = ""]) => folder,
    ),
  );
  return [...new Set(used)]
    .filter((folder) => !compared.has(folder))
    .map((folder) => `${folder} is in no deployment that is compared: give other-options.ts what makes one`);
}

/** The provider's folders that a stack's parts come from: aws_sqs_queue from sqs-queue, a data source aws_vpc from data-aws-vpc. */
function folders({ provider, resource, data }: z.output<typeof partsSchema>): string[] {
  return [
    ...Object.keys(provider).map(() => "provider"),
    ...Object.keys(resource).map((type) => type.replace(/^aws_/, "")),
    ...Object.keys(data).map((type) => `data_${type}`),
  ].map((name) => name.replaceAll("_", "-"));
}
