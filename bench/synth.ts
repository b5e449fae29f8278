import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../stacks/bundle.ts";
import { compare } from "./compare.ts";

// What `npm run synth` saves by importing each construct's own file and not the provider's index; and what a second deployment
// costs, one that has everything on.

/** Runs main.ts as `npm run synth` does, and names the stacks that it emitted. */
function synth(...flags: string[]): string[] {
  const outdir = mkdtempSync(join(tmpdir(), "fifo-gateway-bench-"));
  execFileSync(process.execPath, ["--disable-warning=DEP0044", ...flags, join(projectRoot, "main.ts")], {
    cwd: projectRoot,
    env: { ...process.env, CDKTF_OUTDIR: outdir },
  });
  const stacks = readdirSync(join(outdir, "stacks"));
  rmSync(outdir, { recursive: true });
  return stacks;
}

await compare({
  name: "synth of main.ts, deep imports",
  peer: "the same with the provider's index",
  rounds: 5,
  target: "peer / ours >= 3",
  ours: () => void synth(),
  theirs: () => void synth("--import", "@cdktf/provider-aws"),
});

const devAlone = ["--import", join(import.meta.dirname, "synth", "dev-alone.ts")];
const stacks = synth(...devAlone);
if (stacks.length === 0 || stacks.some((name) => !name.startsWith("dev-"))) {
  throw new Error(`this is not dev alone: ${stacks.join(", ")}`);
}

await compare({
  name: "synth of dev alone",
  peer: "of both deployments in main.ts",
  rounds: 5,
  target: "peer / ours < 2.5",
  ours: () => void synth(...devAlone),
  theirs: () => void synth(),
});
