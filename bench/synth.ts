import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../stacks/bundle.ts";
import { compare } from "./compare.ts";

// What `npm run synth` saves by importing each construct's own file and not the provider's index.

function synth(...flags: string[]): void {
  const outdir = mkdtempSync(join(tmpdir(), "fifo-gateway-bench-"));
  execFileSync(process.execPath, ["--disable-warning=DEP0044", ...flags, join(projectRoot, "main.ts")], {
    cwd: projectRoot,
    env: { ...process.env, CDKTF_OUTDIR: outdir },
  });
  rmSync(outdir, { recursive: true });
}

await compare({
  name: "synth of main.ts, deep imports",
  peer: "the same with the provider's index",
  rounds: 5,
  target: "peer / ours >= 3",
  ours: () => synth(),
  theirs: () => synth("--import", "@cdktf/provider-aws"),
});
