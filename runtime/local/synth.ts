import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Runs the project's `main.ts`, which emits every deployment's Terraform.
 *
 * @param root the project's folder
 * @param folder where to; what was there is replaced
 * @throws Error with what the program wrote, when it failed
 * @example await synthesise("/project", "/project/.local/cdktf.out");
 */
export async function synthesise(root: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const child = spawn(process.execPath, [join(root, "main.ts")], {
    cwd: root,
    env: { ...process.env, CDKTF_OUTDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => output.push(text));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`main.ts ended with ${code ?? "a signal"}:\n${output.join("").trim()}`);
}
