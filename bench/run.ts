import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

// npm run bench [-- NAME...]: every bench in a process of its own, one after the other, since they share two cores.

const benches = ["synth", "bundle", "consumer", "queue", "path", "park", "client", "plan"] as const;
const { positionals } = parseArgs({ allowPositionals: true });
const unknown = positionals.filter((name) => !benches.some((bench) => bench === name));
if (unknown.length > 0) {
  console.error(`no bench named ${unknown.join(", ")}; there are ${benches.join(", ")}`);
  process.exit(2);
}

let failed = false;
for (const name of positionals.length > 0 ? positionals : benches) {
  console.log(`\n# ${name}`);
  const { status } = spawnSync(
    process.execPath,
    ["--disable-warning=DEP0044", join(import.meta.dirname, `${name}.ts`)],
    {
      stdio: "inherit",
    },
  );
  if (status !== 0) {
    failed = true;
    console.error(`${name} ended with ${status}`);
  }
}
process.exitCode = failed ? 1 : 0;
