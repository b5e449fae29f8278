import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { z } from "zod";

export const projectRoot = join(import.meta.dirname, "..", "..");

const argumentsSchema = z.record(z.string(), z.unknown());

const stackSchema = z.object({
  terraform: z.object({
    backend: argumentsSchema.optional(),
    cloud: argumentsSchema.optional(),
    required_providers: argumentsSchema,
  }),
  provider: argumentsSchema,
  resource: z.record(z.string(), z.record(z.string(), argumentsSchema)).default({}),
  data: z.record(z.string(), z.record(z.string(), argumentsSchema)).optional(),
  output: z.record(z.string(), z.object({ value: z.unknown(), sensitive: z.boolean().optional() })).optional(),
  variable: z.record(z.string(), argumentsSchema).optional(),
});

/** One emitted `cdk.tf.json`. */
export type EmittedStack = z.output<typeof stackSchema>;

/** What a synth of a `main.ts` emits, by file name relative to the output folder. */
export interface Emitted {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly stack: (name: string) => EmittedStack;
}

/**
 * Runs a project's `main.ts` in a process of its own, as `npm run synth` does, and reads all it writes.
 *
 * @param options.root the project, another copy of it for example
 * @param options.cwd the folder to run it from
 * @param options.env more environment variables
 * @param options.program another file to run, with its arguments
 */
export function synth(
  options: { root?: string; cwd?: string; env?: Record<string, string>; program?: readonly string[] } = {},
): Emitted {
  const { root = projectRoot, cwd = root, env = {}, program = [join(root, "main.ts")] } = options;
  const outdir = mkdtempSync(join(tmpdir(), "fifo-gateway-synth-"));
  try {
    execFileSync(process.execPath, ["--disable-warning=DEP0044", ...program], {
      cwd,
      env: { ...process.env, ...env, CDKTF_OUTDIR: outdir },
      stdio: ["ignore", "inherit", "pipe"],
    });
    return readEmitted(outdir);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Reads all that was written to an output folder, which may be gone afterwards. */
export function readEmitted(outdir: string): Emitted {
  const files = new Map(
    readdirSync(outdir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
      .map((file) => [relative(outdir, file), readFileSync(file)]),
  );
  return {
    files,
    stack: (name) => {
      const file = files.get(join("stacks", name, "cdk.tf.json"));
      if (file === undefined) throw new Error(`no stack ${name} was emitted, only ${[...files.keys()].join(", ")}`);
      return stackSchema.parse(JSON.parse(file.toString("utf8")));
    },
  };
}

/** All emitted resources of a type, by Terraform name. */
export function resources(stack: EmittedStack, type: string): Record<string, Record<string, unknown>> {
  const found = stack.resource[type];
  if (found === undefined) throw new Error(`no ${type} was emitted, only ${Object.keys(stack.resource).join(", ")}`);
  return found;
}

/** One emitted resource's arguments. */
export function resource(stack: EmittedStack, type: string, name: string): Record<string, unknown> {
  const found = resources(stack, type)[name];
  if (found === undefined)
    throw new Error(`no ${type}.${name} was emitted, only ${Object.keys(resources(stack, type)).join(", ")}`);
  return found;
}

/** An argument that is JSON text, e.g. a policy. */
export function json(value: unknown): unknown {
  return JSON.parse(z.string().parse(value));
}
