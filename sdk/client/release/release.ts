import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { checks, pack } from "./tarball.ts";

// Publishes the package with provenance: `npm run release -w sdk/client`, in the workflow publish-client.yml. With
// `-- --dry-run` it does all of it anywhere, but the publishing.

const PACKAGE = join(import.meta.dirname, "..");
const run = promisify(execFile);
const dryRun = process.argv.includes("--dry-run");

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  repository: z.object({ url: z.string() }).optional(),
});
/** npm's list of versions; of a single one, its text. */
const versionsSchema = z.union([z.array(z.string()), z.string().transform((only) => [only])]);

const manifest = manifestSchema.parse(JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8")));
const { name, version } = manifest;

process.exitCode = await release();

async function release(): Promise<number> {
  const refusals = [...(await refuseTree()), ...(await refuseChangelog()), ...refuseTag(), ...(await refuseVersion())];
  const unproven = refuseProvenance();
  if (dryRun) for (const reason of unproven) console.log(`A real run would refuse: ${reason}`);
  else refusals.push(...unproven);
  if (refusals.length > 0) return refuse(refusals);

  const folder = await mkdtemp(join(tmpdir(), "fifo-client-release-"));
  try {
    const tarball = await pack(PACKAGE, folder);
    for (const check of checks) {
      const problems = await check.problems(PACKAGE, tarball);
      if (problems.length > 0) return refuse([`${check.name}: it is not so.`, ...problems]);
      console.log(`${check.name}: yes.`);
    }
    // The tarball that was checked, so that what is published is not built a second time.
    const flags = ["--provenance", "--access", "public", ...(dryRun ? ["--dry-run"] : [])];
    const { stdout, stderr } = await run("npm", ["publish", tarball.file, ...flags], { cwd: PACKAGE });
    console.log(`${stdout}${stderr}`);
    console.log(
      `${name}@${version}: ${dryRun ? "could be published" : "published"}, ${tarball.contents.length} files.`,
    );
    return 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function refuse(reasons: readonly string[]): number {
  for (const reason of reasons) console.error(`Not published: ${reason}`);
  return 1;
}

async function refuseTree(): Promise<string[]> {
  const { stdout } = await run("git", ["status", "--porcelain"], { cwd: PACKAGE });
  const changed = stdout.split("\n").filter((line) => line !== "");
  return changed.length === 0 ? [] : [`${changed.length} files are not committed, ${changed[0]?.slice(3)} for one.`];
}

/** Keep a Changelog's heading with a day: an entry that says "Unreleased" is not finished. */
async function refuseChangelog(): Promise<string[]> {
  const changelog = await readFile(join(PACKAGE, "CHANGELOG.md"), "utf8");
  const entry = `## [${version}] - `;
  const dated = changelog
    .split("\n")
    .some((line) => line.startsWith(entry) && /^\d{4}-\d{2}-\d{2}$/.test(line.slice(entry.length)));
  return dated ? [] : [`CHANGELOG.md has no entry "${entry}<YYYY-MM-DD>".`];
}

function refuseTag(): string[] {
  const { GITHUB_REF_TYPE: type, GITHUB_REF_NAME: tag } = process.env;
  const right = `fifo-client@${version}`;
  return type !== "tag" || tag === right ? [] : [`the tag is ${tag}, and package.json's version wants ${right}.`];
}

async function refuseVersion(): Promise<string[]> {
  const published = await publishedVersions();
  return published.includes(version) ? [`${name}@${version} is there already: raise the version.`] : [];
}

/** @throws Error with npm's output, when the registry gives no answer */
async function publishedVersions(): Promise<string[]> {
  try {
    const { stdout } = await run("npm", ["view", name, "versions", "--json"], { cwd: PACKAGE });
    return versionsSchema.parse(JSON.parse(stdout));
  } catch (error) {
    // npm's own code for a package that nobody published yet.
    if (error instanceof Error && "stdout" in error && /"code": "E404"/.test(String(error.stdout))) return [];
    throw error;
  }
}

/** npm takes provenance only from a workflow that may ask for a token, for the repository that package.json names. */
function refuseProvenance(): string[] {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: token, GITHUB_REPOSITORY: repository } = process.env;
  if (token === undefined || repository === undefined) {
    return ["provenance needs the workflow publish-client.yml, with `id-token: write`: push the tag instead."];
  }
  const url = `git+https://github.com/${repository}.git`;
  return manifest.repository?.url === url
    ? []
    : [`package.json's repository.url is ${manifest.repository?.url ?? "not set"}, and provenance wants ${url}.`];
}
