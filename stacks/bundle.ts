import { createHash } from "node:crypto";
import { join } from "node:path";
import { type BuildOptions, buildSync } from "esbuild";
import { zipSync } from "fflate";

/** The project's root: bundles are made from here whatever the current folder is, so that their bytes never depend on it. */
export const projectRoot = join(import.meta.dirname, "..");

/** A function's code as Lambda takes it. */
export interface FunctionBundle {
  /** The zip's bytes: the same on every machine for the same sources. */
  readonly zip: Uint8Array;
  /** Base64 of the zip's SHA-256: Terraform's `source_code_hash`. */
  readonly sourceCodeHash: string;
}

/** Every zip entry has this date (the zip format's epoch), so that the time of a build is not in its bytes. */
const ENTRY_DATE = "1980-01-01T00:00:00";

/**
 * Bundles an entry file and all it imports into one readable ES module, `index.mjs`, in a zip.
 *
 * The entry is stored uncompressed: compressors differ between versions, and a reviewer can read what is deployed.
 *
 * @param entry path of the entry file, relative to the project's root
 * @throws esbuild's `BuildFailure` if the entry or an import of it does not build
 * @example
 * bundleFunction("runtime/consumer/lambda.ts").sourceCodeHash;
 */
export function bundleFunction(entry: string): FunctionBundle {
  const module = bundleModule(entry);
  const zip = zipSync({ "index.mjs": module }, { level: 0, mtime: ENTRY_DATE, os: 3, attrs: 0o644 << 16 });
  return { zip, sourceCodeHash: createHash("sha256").update(zip).digest("base64") };
}

/**
 * Bundles an entry file and all it imports into one readable ES module: the same bytes on every machine for the same sources.
 *
 * @param entry path of the entry file, relative to the project's root
 * @throws esbuild's `BuildFailure` if the entry or an import of it does not build
 * @example
 * bundleModule("runtime/response-server/main.ts").length;
 */
export function bundleModule(entry: string): Uint8Array {
  const [module] = buildSync({ ...bundleOptions(entry), write: false }).outputFiles;
  if (module === undefined) throw new Error(`esbuild made no output for ${entry}`);
  return module.contents;
}

/** How an entry is bundled: readable, and the same bytes wherever the project lies. */
export function bundleOptions(entry: string) {
  return {
    absWorkingDir: projectRoot,
    entryPoints: [entry],
    bundle: true,
    outfile: "index.mjs",
    platform: "node",
    format: "esm",
    target: "node24",
    // Prefer the ES modules of dual packages: less code than their CommonJS twins.
    mainFields: ["module", "main"],
    conditions: ["module", "import"],
    // Paths stand in comments and names of the bundle: as seen from the project, wherever its packages really lie.
    preserveSymlinks: true,
    legalComments: "none",
    charset: "utf8",
    logLevel: "silent",
    tsconfigRaw: {},
    banner: { js: BANNER },
  } as const satisfies BuildOptions;
}

// CommonJS packages inside an ES module call require() for Node's own modules.
const BANNER = `import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);`;
