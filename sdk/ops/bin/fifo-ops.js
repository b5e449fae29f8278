#!/usr/bin/env node
// Plain JavaScript that old versions of Node understand, since it has to say that one is too old.
const NEEDED = 24;
if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `fifo-ops runs on Node ${NEEDED}, and this is ${process.version}. In the project's folder, npm has Node ${NEEDED} for it:\n\n` +
      "  npm install --ignore-scripts=false\n  npm run ops -- --help\n\n",
  );
  process.exit(1);
}
import("../src/cli.ts").catch((error) => {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
});
