/**
 * `npm run synth:cdktn`: emits what `npm run synth` emits through the community fork of cdktf, which is archived. After
 * `npm ci --prefix __tests__/cdktn`, without which it says so and ends with 3.
 *
 * It writes to `cdktn.out`, or to the folder that CDKTF_OUTDIR names. Each stack's state stays where it is, so that
 * `terraform -chdir=cdktn.out/stacks/dev-messaging plan` compares with what is deployed.
 *
 * `node __tests__/cdktn/synth.ts FILE` runs another file than `main.ts`.
 */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { useFork, whatIsMissing } from "./resolve.ts";

const root = join(import.meta.dirname, "..", "..");
const missing = whatIsMissing();
if (missing !== undefined) {
  console.error(
    `${missing}. Run, in the project's folder:\n\n  npm ci --prefix __tests__/cdktn\n  npm run synth:cdktn\n`,
  );
  process.exit(3);
}
process.env["CDKTF_OUTDIR"] ??= join(root, "cdktn.out");
useFork();
await import(pathToFileURL(resolve(process.argv[2] ?? join(root, "main.ts"))).href);
