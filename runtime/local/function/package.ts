import { createHash } from "node:crypto";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { unzipSync } from "fflate";
import { z } from "zod";
import type { EmittedResource } from "../terraform/model.ts";

/** A function as emitted, unpacked and ready to be started. */
export interface FunctionPackage {
  readonly name: string;
  readonly arn: string;
  /** The file that exports the handler. */
  readonly file: string;
  readonly exportName: string;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  /** Invocations at the same time at most, of all that invoke it. @default as many as come */
  readonly reservedConcurrency?: number | undefined;
  /** The emitted environment, and nothing else. */
  readonly environment: Readonly<Record<string, string>>;
}

const functionSchema = z.object({
  function_name: z.string(),
  arn: z.string(),
  runtime: z.literal("nodejs24.x"),
  handler: z.string().regex(/^[\w/-]+\.\w+$/),
  filename: z.string(),
  source_code_hash: z.string(),
  timeout: z.int(),
  memory_size: z.int(),
  // 0 would switch the function off.
  reserved_concurrent_executions: z.int().min(1).optional(),
  logging_config: z
    .object({ log_format: z.literal("Text", "only lines as the function writes them run here") })
    .optional(),
  environment: z.object({ variables: z.record(z.string(), z.string()) }),
});

/** Arguments of `aws_lambda_function` that are read and not acted on, each with the reason. */
export const IGNORED_FUNCTION_ARGUMENTS: Readonly<Record<string, string>> = {
  role: "permissions are not checked here",
  description: "nothing reads it",
  architectures: "JavaScript runs on this machine's",
  tags: "nothing reads them",
  publish: "there is one version, the newest",
  vpc_config: "all of the network is on 127.0.0.1",
  tracing_config: "there is no X-Ray here",
  kms_key_arn: "the environment is as private as the data folder",
  dead_letter_config: "a scheduled invocation that fails is told of, and not kept",
  id: "computed",
  invoke_arn: "computed",
  qualified_arn: "computed",
  version: "computed",
};

/**
 * Unpacks an emitted `aws_lambda_function`'s zip.
 *
 * @param stackFolder what `filename` is relative to
 * @param into each zip gets a folder of its own in here, named by its hash
 * @throws Error that names the address and the argument: unknown, invalid, or a `source_code_hash` of other bytes
 * @example const { file } = await unpackFunction(resource, "cdktf.out/stacks/dev-delivery", ".local/function");
 */
export async function unpackFunction(
  resource: EmittedResource,
  stackFolder: string,
  into: string,
): Promise<FunctionPackage> {
  const unknown = Object.keys(resource.values).find(
    (key) => !(key in functionSchema.shape) && !(key in IGNORED_FUNCTION_ARGUMENTS),
  );
  if (unknown !== undefined) {
    throw new Error(`${resource.address}: local mode does not know the argument ${unknown} of a function`);
  }
  const parsed = functionSchema.safeParse(resource.values);
  if (!parsed.success) throw new Error(`${resource.address}: ${z.prettifyError(parsed.error)}`);
  const values = parsed.data;

  const zip = await readFile(join(stackFolder, values.filename));
  const hash = createHash("sha256").update(zip);
  const digest = hash.copy().digest("base64");
  if (digest !== values.source_code_hash) {
    throw new Error(
      `${resource.address}: source_code_hash is ${values.source_code_hash}, but ${values.filename} has ${digest}: run npm run synth`,
    );
  }
  const folder = resolve(into, hash.digest("hex").slice(0, 16));
  for (const [name, bytes] of Object.entries(unzipSync(zip))) {
    const target = resolve(folder, name);
    if (!target.startsWith(folder + sep)) throw new Error(`${values.filename} holds ${name}, outside of its folder`);
    if (name.endsWith("/")) continue;
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
  }
  // Lambda's task folder has no package.json above it; the one of this project must not say what index.js is.
  await writeFile(join(into, "package.json"), "{}\n");

  const dot = values.handler.lastIndexOf(".");
  return {
    name: values.function_name,
    arn: values.arn,
    file: await moduleFile(resource.address, join(folder, values.handler.slice(0, dot))),
    exportName: values.handler.slice(dot + 1),
    timeoutSeconds: values.timeout,
    memoryMegabytes: values.memory_size,
    reservedConcurrency: values.reserved_concurrent_executions,
    environment: values.environment.variables,
  };
}

/** Lambda looks for the handler's module in this order. */
async function moduleFile(address: string, path: string): Promise<string> {
  for (const extension of [".js", ".mjs", ".cjs"]) {
    const found = await access(path + extension).then(
      () => true,
      () => false,
    );
    if (found) return path + extension;
  }
  throw new Error(`${address}: the zip has no ${path.slice(path.lastIndexOf(sep) + 1)}.js, .mjs or .cjs`);
}
