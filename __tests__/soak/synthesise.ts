import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * Emits the soak's deployment, in a process of its own as `main.ts` is.
 *
 * @param folder where to
 * @throws Error with what it wrote, when it failed
 */
export async function synthesiseSoak(folder: string): Promise<void> {
  await promisify(execFile)(
    process.execPath,
    ["--disable-warning=DEP0044", join(import.meta.dirname, "deployment.ts")],
    { env: { ...process.env, CDKTF_OUTDIR: folder } },
  );
}
