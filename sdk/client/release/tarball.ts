import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);

const packedSchema = z.tuple([z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) })]);
const failureSchema = z.object({ stdout: z.string(), stderr: z.string() });

/** What `npm pack` made. */
export interface Tarball {
  /** Its path. */
  readonly file: string;
  /** The paths in it. */
  readonly contents: readonly string[];
}

/**
 * Builds the package and packs it, as `npm publish` would.
 *
 * @param folder the package's, in its repository
 * @param into the folder that the tarball is written to
 * @throws Error with npm's output, when the build or the packing fails
 * @example const { file } = await pack("sdk/client", tmpdir());
 */
export async function pack(folder: string, into: string): Promise<Tarball> {
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", into], { cwd: folder });
  // What prepack prints comes first.
  const [made] = packedSchema.parse(JSON.parse(stdout.slice(stdout.indexOf("[\n"))));
  return { file: join(into, made.filename), contents: made.files.map(({ path }) => path) };
}

/** One thing that has to hold before a tarball is published. */
export interface Check {
  readonly name: string;
  /** What is wrong; nothing when it holds. `folder` is the package's, just packed. */
  problems(folder: string, tarball: Tarball): Promise<readonly string[]>;
}

/**
 * What has to hold, in the order of its cost: half a minute in all. The last one asks the registry, since the generator of
 * the API reference has packages of its own.
 */
export const checks: readonly Check[] = [
  {
    name: "the tarball holds the documents, the code and the declarations of each source, and nothing else",
    async problems(folder, { contents }) {
      const expected = expectedContents(folder);
      return [
        ...contents.filter((path) => !expected.includes(path)).map((path) => `${path} does not belong into it`),
        ...expected.filter((path) => !contents.includes(path)).map((path) => `${path} is missing`),
      ];
    },
  },
  {
    name: "publint, strict",
    problems: (folder, { file }) => complaints(folder, "run", "publint", "--", file),
  },
  {
    name: "attw, ESM only",
    problems: (folder, { file }) => complaints(folder, "run", "attw", "--", file),
  },
  { name: "size-limit", problems: (folder) => complaints(folder, "run", "size") },
  { name: "API.md is up to date", problems: (folder) => complaints(folder, "run", "reference", "--", "--check") },
];

function expectedContents(folder: string): string[] {
  const built = readdirSync(join(folder, "src"))
    .map((source) => source.replace(/\.ts$/, ""))
    .map((name) => `dist/${name}.d.ts`);
  const code = ["dist/index.js", "dist/index.js.map"];
  return ["API.md", "CHANGELOG.md", "LICENSE", "README.md", ...code, ...built, "package.json"];
}

/** What an npm command says when it fails; nothing when it does not. */
async function complaints(folder: string, ...args: readonly string[]): Promise<string[]> {
  try {
    await run("npm", args, { cwd: folder });
    return [];
  } catch (error) {
    const failure = failureSchema.safeParse(error);
    return [failure.success ? `${failure.data.stdout}\n${failure.data.stderr}`.trim() : String(error)];
  }
}
