import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { checks, pack, type Tarball } from "../../sdk/client/release/tarball.ts";
import { projectRoot } from "../helpers/emitted.ts";

// The published package, as its users get it: packed, installed into an empty project, type-checked and run there; then the
// release script, which must refuse what is not finished. All of it in copies, so that nothing in the repository changes.

/** A program of a user. A text, since only in a project of its own is the package what npm installs. */
const PROGRAM = `
import { createFifoClient, type FifoClient, type SendResult } from "@org/fifo-client";

interface Alarm {
  readonly transSeq: string;
}

export async function prove(endpoint: string): Promise<readonly SendResult[]> {
  const signal = new AbortController().signal;
  await using client = createFifoClient<{ "queue-1": Alarm }>({ endpoint, apiKey: "k", queue: "queue-1", signal });
  const first = client.send("10", { transSeq: "1" }, { deduplicationId: "a1" });
  const second = await client.sendMany([{ groupId: "10", payload: { transSeq: "2" }, deduplicationId: "a2" }]);
  return [await first, ...second];
}

export const refused = (client: FifoClient<Alarm>): Promise<SendResult> =>
  // @ts-expect-error the types are the package's own, not any
  client.send("10", { transSeq: 1 });
`;

const RUN_PROGRAM = `
import { prove } from "./consumer.ts";
console.log(JSON.stringify(await prove(process.argv[2])));
`;

const run = promisify(execFile);
const work = mkdtempSync(join(tmpdir(), "fifo-client-package-"));

let passed = 0;
let failed = 0;

async function step(name: string, prove: () => Promise<void>): Promise<void> {
  try {
    await prove();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok  ${name}\n${said(error)}`);
  }
}

/** What a command printed before it failed, or else the error. */
function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const output =
    "stdout" in error && "stderr" in error ? `${String(error.stdout)}\n${String(error.stderr)}`.trim() : "";
  return output === "" ? error.message : output;
}

try {
  const repository = copyRepository("repository");
  const folder = join(repository, "sdk/client");
  let tarball: Tarball | undefined;
  await step("npm packs it", async () => {
    tarball = await pack(folder, work);
  });
  if (tarball) await provePackage(folder, tarball);
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

async function provePackage(folder: string, tarball: Tarball): Promise<void> {
  for (const { name, problems } of checks) {
    await step(name, async () => {
      const found = await problems(folder, tarball);
      assert.ok(found.length === 0, found.join("\n"));
    });
  }
  await step("the licence is the repository's", async () => {
    assert.equal(textOf(join(projectRoot, "sdk/client/LICENSE")), textOf(join(projectRoot, "LICENSE")));
  });
  await proveConsumer(tarball.file);
  await proveRelease();
}

/** What the package's build needs of the repository, with the installed packages linked. */
function copyRepository(name: string): string {
  const copy = join(work, name);
  const generated = new Set(["node_modules", "dist"]);
  for (const path of ["package.json", "tsconfig.json", "LICENSE", ".gitignore", "sdk/client"]) {
    cpSync(join(projectRoot, path), join(copy, path), {
      recursive: true,
      filter: (source) => !generated.has(basename(source)),
    });
  }
  symlinkSync(join(projectRoot, "node_modules"), join(copy, "node_modules"));
  return copy;
}

/** The tarball in an empty project, as a user has it. */
async function proveConsumer(tarball: string): Promise<void> {
  const project = join(work, "consumer");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(project, "consumer.ts"), PROGRAM);
  writeFileSync(join(project, "run.js"), RUN_PROGRAM);

  await step("npm installs the tarball into an empty project", async () => {
    await run("npm", ["install", "--no-audit", "--no-fund", tarball, "typescript@5.9.3", "@types/node@24"], {
      cwd: project,
    });
    const { dependencies } = JSON.parse((await run("npm", ["ls", "--json", "--all"], { cwd: project })).stdout);
    assert.deepEqual(Object.keys(dependencies["@org/fifo-client"].dependencies), ["ky"]);
  });

  const compilers = { "TypeScript 5.9": project, "TypeScript 7": projectRoot };
  const modules = { bundler: "esnext", nodenext: "nodenext" };
  const platforms = {
    "a browser's types": { lib: ["es2022", "dom", "dom.iterable"], types: [] },
    "a browser's types without their iterators": { lib: ["es2022", "dom"], types: [] },
    "Node's types": { lib: ["es2022"], types: ["node"] },
  };
  for (const [compiler, home] of Object.entries(compilers)) {
    for (const [moduleResolution, module] of Object.entries(modules)) {
      for (const [platform, { lib, types }] of Object.entries(platforms)) {
        await step(`${compiler} checks a program: ${moduleResolution}, ES2022, ${platform}`, async () => {
          writeFileSync(
            join(project, "tsconfig.json"),
            JSON.stringify({
              compilerOptions: {
                module,
                moduleResolution,
                lib,
                types,
                target: "es2022",
                noEmit: true,
                strict: true,
                skipLibCheck: false,
              },
              files: ["consumer.ts"],
            }),
          );
          await run(process.execPath, [join(home, "node_modules/typescript/bin/tsc"), "-p", project]);
        });
      }
    }
  }

  await step("Node runs that program: the package can be imported, and what it sends arrives", async () => {
    const { server, port, requests } = await serveGateway();
    try {
      const { stdout } = await run(process.execPath, ["run.js", `http://127.0.0.1:${port}/prod`], { cwd: project });
      assert.deepEqual(JSON.parse(stdout), [
        { messageId: "m-1", sequenceNumber: "00000000000000000001", deduplicationId: "a1" },
        { messageId: "m-2", sequenceNumber: "00000000000000000002", deduplicationId: "a2" },
      ]);
      assert.deepEqual(requests, [
        { url: "/prod/queue-1", key: "k", id: "a1", body: '{"MessageGroupID":"10","transSeq":"1"}' },
        { url: "/prod/queue-1", key: "k", id: "a2", body: '{"MessageGroupID":"10","transSeq":"2"}' },
      ]);
    } finally {
      server.close();
    }
  });
}

interface SeenRequest {
  readonly url: string | undefined;
  readonly key: unknown;
  readonly id: unknown;
  readonly body: string;
}

/** A gateway that takes every message. */
async function serveGateway(): Promise<{ server: Server; port: number; requests: SeenRequest[] }> {
  const requests: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    requests.push({
      url: request.url,
      key: request.headers["x-api-key"],
      id: request.headers["idempotency-key"],
      body,
    });
    response.setHeader("content-type", "application/json");
    const count = `${requests.length}`;
    response.end(JSON.stringify({ messageId: `m-${count}`, sequenceNumber: count.padStart(20, "0") }));
  });
  return { server, port: await listen(server), requests };
}

function textOf(file: string): string {
  return readFileSync(file, "utf8");
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** The release script in a repository of its own, with a registry that knows one version. */
async function proveRelease(): Promise<void> {
  const repository = copyRepository("release");
  const folder = join(repository, "sdk/client");
  const changelog = join(folder, "CHANGELOG.md");
  const { version } = JSON.parse(textOf(join(folder, "package.json")));
  const entry = `## [${version}] - `;
  const lines = textOf(changelog).split("\n");
  assert.ok(
    lines.some((line) => line.startsWith(entry)),
    `CHANGELOG.md has no entry ${entry}`,
  );
  const date = (day: string): void =>
    writeFileSync(changelog, lines.map((line) => (line.startsWith(entry) ? entry + day : line)).join("\n"));
  let published: string[] = [];
  const registry = createServer((request, response) => {
    const name = "@org/fifo-client";
    const versions = Object.fromEntries(published.map((known) => [known, { name, version: known }]));
    response.statusCode = published.length === 0 ? 404 : 200;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name, "dist-tags": { latest: published.at(-1) }, versions }));
    request.resume();
  });
  const port = await listen(registry);
  const git = (...args: string[]) =>
    run("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: repository });
  const commit = async () => {
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "-m", "state");
  };
  // What the gate itself runs in is not what the script shall see, least of all the right to publish.
  const outside = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(GITHUB|ACTIONS)_/.test(name)));
  /** What it prints, with its code in front. */
  const release = async (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<string> => {
    try {
      const command = ["run", "--silent", "release", "--", ...args];
      const { stdout, stderr } = await run("npm", command, { cwd: folder, env: { ...outside, ...env } });
      return `0 ${stdout}${stderr}`;
    } catch (error) {
      return `1 ${said(error)}`;
    }
  };
  try {
    writeFileSync(join(repository, ".npmrc"), `@org:registry=http://127.0.0.1:${port}\n`);
    date("Unreleased");
    await git("init", "--quiet");
    await commit();
    await step("a release without a dated entry in the changelog is refused", async () => {
      assert.match(await release(["--dry-run"]), /^1 [^]*CHANGELOG\.md has no entry/);
    });

    date("2026-01-31");
    await step("a release of what is not committed is refused", async () => {
      assert.match(
        await release(["--dry-run"]),
        /^1 [^]*Not published: 1 files are not committed, sdk\/client\/CHANGELOG.md/,
      );
    });

    await commit();
    await step("a dry run of a version that nobody published does all but publish", async () => {
      assert.match(await release(["--dry-run"]), /^0 [^]*could be published/);
    });
    await step("a real run outside of the workflow is refused, since it has no provenance", async () => {
      assert.match(await release(), /^1 Not published: provenance needs the workflow/);
    });

    await step("a tag that does not name the version is refused", async () => {
      const tag = { GITHUB_REF_TYPE: "tag", GITHUB_REF_NAME: "fifo-client@99.0.0" };
      assert.match(await release(["--dry-run"], tag), /^1 [^]*the tag is fifo-client@99\.0\.0/);
    });
    await step("a workflow of a repository that package.json does not name is refused", async () => {
      const workflow = { ACTIONS_ID_TOKEN_REQUEST_URL: "http://127.0.0.1:9/", GITHUB_REPOSITORY: "nobody/nothing" };
      assert.match(await release([], workflow), /^1 Not published: package\.json's repository\.url is/);
    });

    published = ["0.0.1", version];
    await step("a version that is published is refused", async () => {
      assert.match(await release(["--dry-run"]), /^1 [^]*is there already/);
    });
  } finally {
    registry.close();
  }
}
