import { type Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { type Connection, connect } from "../connection.ts";
import { EXIT, OpsError } from "../errors.ts";
import { createOutput, type Output } from "../output.ts";

/** An option without a value: `--yes`. */
export const flag = z.literal(true).optional();

/** Options that every verb has, as commander reads them. One that is declared to commander and not here is refused. */
export const commonOptions = z.strictObject({
  deployment: z.string().optional(),
  region: z.string().optional(),
  local: z.union([z.string(), z.literal(true)]).optional(),
  json: flag,
});
export type CommonOptions = z.output<typeof commonOptions>;

/** What a verb runs with. */
export interface Context<Options> {
  readonly connection: Connection;
  readonly output: Output;
  readonly options: Options;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

const LOCAL_FOLDER = ".local";

/** Adds the options that say which deployment is meant, and `--json`. */
export function withCommonOptions(command: Command): Command {
  return command
    .option("--deployment <name>", "its name in main.ts (with --local: local mode's own)")
    .option("--region <region>", "AWS region (default: AWS_REGION, else the profile's; AWS_PROFILE names that)")
    .option(
      "--local [folder]",
      `a running local mode in place of AWS, e.g. ./data or --local=data (default: ${LOCAL_FOLDER})`,
    )
    .option("--json", "one JSON document on stdout, all else on stderr");
}

/**
 * Makes a commander action of a verb: connects, runs it, tells its error, and sets the exit code.
 *
 * @param args the arguments that are declared to commander
 * @param options the options that are
 * @param verb resolves with the exit code
 * @example
 * withCommonOptions(new Command("show"))
 *   .argument("<queue>")
 *   .action(run(z.tuple([z.string()]), commonOptions, async ({ output }, queue) => EXIT.done))
 */
export function run<Arguments extends readonly unknown[], Options extends CommonOptions>(
  args: z.ZodType<Arguments>,
  options: z.ZodType<Options>,
  verb: (context: Context<Options>, ...args: Arguments) => Promise<number>,
): (...given: readonly unknown[]) => Promise<void> {
  return async (...given) => {
    // Commander calls with the arguments, the options, and the command itself.
    const [parsedArgs, parsed] = [args.parse(given.slice(0, -2)), options.parse(given.at(-2))];
    const output = createOutput(parsed.json === true);
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    let connection: Connection | undefined;
    try {
      connection = await connect({
        deployment: parsed.deployment,
        region: parsed.region,
        local: parsed.local === true ? LOCAL_FOLDER : parsed.local,
      });
      process.once("SIGINT", stop);
      process.exitCode = await verb({ connection, output, options: parsed, signal: stopping.signal }, ...parsedArgs);
    } catch (error) {
      const told = toOpsError(error, connection);
      output.fail(told.code, told.message);
      process.exitCode = told.exitCode;
    } finally {
      process.removeListener("SIGINT", stop);
      connection?.close();
    }
    if (stopping.signal.aborted) process.exitCode = EXIT.interrupted;
  };
}

/** What a verb runs with that needs no deployment. */
export interface Offline<Options> {
  readonly output: Output;
  readonly options: Options;
}

/** The same of a verb that needs no deployment. Where it succeeds it exits with what it says, otherwise with 1, a usage error included. */
export function runOffline<Arguments extends readonly unknown[], Options extends Pick<CommonOptions, "json">>(
  args: z.ZodType<Arguments>,
  options: z.ZodType<Options>,
  verb: (context: Offline<Options>, ...args: Arguments) => Promise<number>,
): (...given: readonly unknown[]) => Promise<void> {
  return async (...given) => {
    const [parsedArgs, parsed] = [args.parse(given.slice(0, -2)), options.parse(given.at(-2))];
    const output = createOutput(parsed.json === true);
    try {
      process.exitCode = await verb({ output, options: parsed }, ...parsedArgs);
    } catch (error) {
      if (!(error instanceof OpsError)) throw error;
      output.fail(error.code, error.message);
      process.exitCode = EXIT.failed;
    }
  };
}

/** An option's parser. @example wholeNumber(1, 1_000) */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
    throw new InvalidArgumentError(`It takes a whole number from ${least} to ${most}.`);
  };
}

const ACCESS_DENIED = new Set(["AccessDenied", "AccessDeniedException"]);
const BAD_CREDENTIALS = new Set([
  "CredentialsProviderError",
  "TokenProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidClientTokenId",
  "UnrecognizedClientException",
  "InvalidSignatureException",
  "SignatureDoesNotMatch",
]);

/** What the SDK throws, with the way out. Its texts name actions, resources and hosts, never a body. */
function toOpsError(error: unknown, connection: Connection | undefined): OpsError {
  if (error instanceof OpsError) return error;
  const name = error instanceof Error ? error.name : "Error";
  const text = error instanceof Error ? error.message : String(error);
  if (ACCESS_DENIED.has(name)) {
    const message = `${text} (the README of fifo-ops lists the permissions that each verb needs)`;
    return new OpsError("ACCESS_DENIED", message, { cause: error });
  }
  if (BAD_CREDENTIALS.has(name)) {
    const message = `${name}: ${text}. Sign in anew (aws sso login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID`;
    return new OpsError("NOT_CONFIGURED", message, { cause: error });
  }
  if (name === "ResourceNotFoundException" && connection !== undefined) {
    const message = `${connection.region} has no parking lot of deployment ${connection.deployment}: check --deployment and --region`;
    return new OpsError("UNKNOWN_DEPLOYMENT", message, { cause: error });
  }
  // Of a connection that could not be made, Node has a code and no text.
  const code = error instanceof Error && "code" in error ? String(error.code) : name;
  return new OpsError("AWS_FAILED", text === "" ? code : `${name}: ${text}`, { cause: error });
}
