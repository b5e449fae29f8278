import { existsSync, readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";

const packageFile = join(import.meta.dirname, "package.json");
const pinsSchema = z.object({ dependencies: z.record(z.string(), z.string()) });
const installedSchema = z.object({ version: z.string() });

/**
 * What is taken from this folder, by the names that the stacks import. An alias of npm's would not do: the fork's provider asks
 * for `cdktn` under its own name, so that the tree would have two copies of it, and what one makes is no instance of the other's.
 * `constructs` comes along since the fork takes none from 10.8 on.
 */
const TAKEN: readonly (readonly [imported: string, from: string])[] = [
  ["cdktf", "cdktn"],
  ["@cdktf/provider-aws", "@cdktn/provider-aws"],
  ["constructs", "constructs"],
];

/** Why the fork cannot be used, e.g. `cdktn is not installed`; undefined when it can. */
export function whatIsMissing(): string | undefined {
  const { dependencies } = pinsSchema.parse(JSON.parse(readFileSync(packageFile, "utf8")));
  return Object.entries(dependencies)
    .map(([name, wanted]) => {
      const file = join(import.meta.dirname, "node_modules", name, "package.json");
      if (!existsSync(file)) return `${name} is not installed`;
      const { version } = installedSchema.parse(JSON.parse(readFileSync(file, "utf8")));
      return version === wanted ? undefined : `${name} is ${version} and has to be ${wanted}`;
    })
    .find((problem) => problem !== undefined);
}

/** From now on every import of `cdktf` and its provider, by whomever, gets the fork. To be called before the first of them. */
export function useFork(): void {
  const parentURL = pathToFileURL(packageFile).href;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      for (const [imported, from] of TAKEN) {
        if (specifier !== imported && !specifier.startsWith(`${imported}/`)) continue;
        return nextResolve(from + specifier.slice(imported.length), { ...context, parentURL });
      }
      return nextResolve(specifier, context);
    },
  });
}
