import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { adaptForMoto, documentSchema } from "../helpers/for-moto.ts";

// node __tests__/acceptance/for-moto.ts FROM TO DEPLOYMENT: copies what was emitted, and takes out of the deployment's copy what moto 5.2.5 cannot do, so
// that the rest can be applied to it. What was emitted is validated as it stands before.

const [from, to, deployment] = process.argv.slice(2);
if (from === undefined || to === undefined || deployment === undefined) {
  console.error("usage: for-moto.ts FROM TO DEPLOYMENT, e.g. for-moto.ts cdktf.out /tmp/for-moto prod");
  process.exit(2);
}

cpSync(from, to, { recursive: true });
for (const stack of readdirSync(join(from, "stacks")).filter((name) => name.startsWith(`${deployment}-`))) {
  const path = join(to, "stacks", stack, "cdk.tf.json");
  const document = documentSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  for (const change of adaptForMoto(stack, document)) console.log(change);
  writeFileSync(path, JSON.stringify(document, null, 2));
}
