import { cp, mkdir, readdir, readFile, rename, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { build } from "esbuild";
import { z } from "zod";
import { projectRoot } from "../helpers/emitted.ts";
import { type Command, run } from "./child.ts";

/** A folder as a user has it after `npm install @org/fifo-client`. */
export interface Installed {
  /** Has `node_modules`, and this folder's modules beside it. */
  readonly folder: string;
  /** What a page loads, as one file. */
  readonly page: string;
  /** What a worker is, as one file. */
  readonly worker: string;
}

const manifestSchema = z.object({ name: z.string(), dependencies: z.record(z.string(), z.string()) });

/** Of this folder, what runs on a runtime. */
const MODULES = ["scenario.mjs", "main.mjs", "worker.mjs", "page.mjs"];

/**
 * Packs the client with its own scripts and unpacks it with its dependencies into a folder of its own: from there, nothing of
 * the project is in reach.
 *
 * @param work an empty folder for it
 * @throws Error with the command's output when one fails
 */
export async function installPublished(work: string): Promise<Installed> {
  const packed = await pack(join(work, "project"), work);
  const folder = join(work, "app");
  const unpacked = join(folder, "package");
  await mkdir(folder);
  await must(["tar", "-xzf", packed], folder);
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(unpacked, "package.json"), "utf8")));
  const modules = join(folder, "node_modules");
  await mkdir(dirname(join(modules, manifest.name)), { recursive: true });
  await rename(unpacked, join(modules, manifest.name));
  for (const name of Object.keys(manifest.dependencies)) {
    await cp(join(projectRoot, "node_modules", name), join(modules, name), { recursive: true });
  }
  for (const name of MODULES) await cp(join(import.meta.dirname, name), join(folder, name));
  return { folder, page: await bundle(folder, "page.mjs"), worker: await bundle(folder, "worker.mjs") };
}

/** In a copy, since what is packed is built first and others may be building the same files. */
async function pack(copy: string, destination: string): Promise<string> {
  const client = join("sdk", "client");
  for (const name of ["LICENSE", "tsconfig.json", client]) {
    await cp(join(projectRoot, name), join(copy, name), {
      recursive: true,
      filter: (path) => !["dist", "node_modules"].includes(basename(path)),
    });
  }
  await symlink(join(projectRoot, "node_modules"), join(copy, "node_modules"), "dir");
  await must(["npm", "pack", "--loglevel=error", "--pack-destination", destination], join(copy, client));
  const packed = (await readdir(destination)).find((name) => name.endsWith(".tgz"));
  if (packed === undefined) throw new Error("npm pack wrote no tarball");
  return join(destination, packed);
}

async function bundle(folder: string, entry: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "error",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`esbuild wrote nothing for ${entry}`);
  return file.text;
}

async function must(command: Command, cwd: string): Promise<void> {
  const { code, output } = await run(command, { cwd, timeout: 60_000 });
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output}`);
}
